import random

import numpy as np
import pytest
import torch

from genloom import randomness


def test_keys_depend_on_every_name_and_their_order() -> None:
    names = [(0,), (1,), ("0",), (0, 1), (1, 0), ("a", "b"), ("ab",), ("a", "b", 0), ("order", 0), ("order", 1), ()]
    keys = [randomness.key(*name) for name in names]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**63 for key in keys)


def test_keys_never_change() -> None:
    # Orders, splits and samples of earlier versions hang on these values.
    assert randomness.key(0, "order", 0) == 1864822792221289227
    assert randomness.permutation(8, 0, "order", 0).tolist() == [4, 1, 6, 7, 0, 5, 3, 2]


def test_keys_fill_their_range() -> None:
    unit = np.array([randomness.key("file", i) for i in range(4000)]) / 2**63
    counts = np.histogram(unit, bins=10, range=(0, 1))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi-squared, 9 degrees of freedom, p = 0.001


def test_generators_of_equal_names_are_equal_and_fresh() -> None:
    def draw(*names: int | str) -> torch.Tensor:
        return torch.randn(5, generator=randomness.generator(*names))

    torch.manual_seed(1)
    first = draw(3, "noise")
    torch.manual_seed(2)
    assert torch.equal(draw(3, "noise"), first)
    assert not torch.equal(draw(4, "noise"), first)
    assert not torch.equal(draw(3, "other"), first)


def test_a_permutation_holds_each_number_once() -> None:
    order = randomness.permutation(1000, 0, "x")
    assert sorted(order.tolist()) == list(range(1000))
    assert torch.equal(order, randomness.permutation(1000, 0, "x"))
    assert not torch.equal(order, randomness.permutation(1000, 1, "x"))


def test_drawing_keyed_numbers_leaves_the_global_state() -> None:
    before = torch.random.get_rng_state()
    randomness.permutation(10, 0)
    assert torch.equal(torch.random.get_rng_state(), before)


def draw_from_global_states() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def seed_global_states() -> None:
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)


def test_untouched_restores_every_state() -> None:
    seed_global_states()
    expected = draw_from_global_states()
    seed_global_states()
    with randomness.untouched():
        assert draw_from_global_states() == expected
        torch.manual_seed(99)
    assert draw_from_global_states() == expected


def test_untouched_restores_after_an_error() -> None:
    seed_global_states()
    expected = draw_from_global_states()
    seed_global_states()
    with pytest.raises(ZeroDivisionError), randomness.untouched():
        draw_from_global_states()
        _ = 1 / 0
    assert draw_from_global_states() == expected


class Gpus:
    """Two stand-ins for GPUs, each with a state; to ask for it starts CUDA, as the real ones do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, started: bool) -> None:
        self.started = started
        self.states = [torch.zeros(3), torch.ones(3)]
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: self.started)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(self.states))
        monkeypatch.setattr(torch.cuda, "get_rng_state", self.get)
        monkeypatch.setattr(torch.cuda, "set_rng_state", self.set)
        monkeypatch.setattr(torch.cuda, "manual_seed_all", self.seed)

    def get(self, device: int | torch.device) -> torch.Tensor:
        self.started = True
        return self.states[torch.device("cuda", device).index if isinstance(device, int) else device.index].clone()

    def set(self, state: torch.Tensor, device: int | torch.device) -> None:
        self.states[device if isinstance(device, int) else device.index] = state

    def seed(self, seed: int) -> None:
        self.started = True
        self.states = [torch.full((3,), float(seed % 1000) + number) for number in range(2)]


def test_every_gpu_in_use_is_seeded_and_restored(monkeypatch) -> None:
    gpus = Gpus(monkeypatch, started=True)
    before = [state.clone() for state in gpus.states]
    with randomness.untouched():
        randomness.seed_globally(3, "x")
        assert torch.initial_seed() == randomness.key(3, "x")
        assert [state[0].item() for state in gpus.states] == [randomness.key(3, "x") % 1000 + n for n in range(2)]
    assert all(torch.equal(*pair) for pair in zip(gpus.states, before, strict=True))


def test_a_gpu_that_nothing_was_started_on_stays_so(monkeypatch) -> None:
    gpus = Gpus(monkeypatch, started=False)
    with randomness.untouched():
        randomness.seed_globally(3, "x")
        assert torch.initial_seed() == randomness.key(3, "x")
    assert not gpus.started


def numbers_of(*generators: torch.Generator) -> list[float]:
    return [torch.rand((), generator=generator).item() for generator in generators]


def test_generators_that_stay_draw_what_fresh_ones_do() -> None:
    generators, cpu, seen = randomness.Generators(), torch.device("cpu"), set()
    for iteration in (0, 1, 1, 7):
        generators.begin(3, iteration)
        latent, noise = (generators(3, name, iteration, 2, device=cpu) for name in ("latent", "noise"))
        again = generators(3, "latent", iteration, 2, device=cpu)
        seen.add((latent, noise, again))
        fresh = [randomness.generator(3, name, iteration, 2) for name in ("latent", "noise", "latent")]
        for _ in range(2):
            assert numbers_of(latent, noise, again) == numbers_of(*fresh)
    assert len(seen) == 1
    assert numbers_of(generators(3, "latent", 8, 2, device=cpu)) == numbers_of(randomness.generator(3, "latent", 8, 2))
