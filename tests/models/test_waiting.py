"""Between two iterations that are logged nothing waits for the device; of all recipes: ``tests/test_recipes.py``."""

from functools import partial

import pytest
import torch

import nowhere
from genloom.objectives.gan import R1, GanTerm, LeCam, NonSaturating, WeightClipping
from genloom.objectives.loss import Loss
from genloom.objectives.vae import CyclicalWarmup, Elbo


@pytest.mark.parametrize(
    "waits",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.mean()),
        lambda x: 1.0 if x.any() else 0.0,
        lambda x: x[x > 0],
        lambda x: x.masked_select(x > 0),
        lambda x: x.nonzero(),
        lambda x: torch.bincount(x.long()),
        lambda x: x.unique(),
        lambda x: x.index_put((x > 0,), torch.zeros((), device=x.device)),
        lambda x: torch.equal(x, x + 1),
        lambda x: x[[0, 1]],
        lambda x: torch.ones(3).to(x),
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: torch.tensor(1.0, device=x.device),
        lambda x: x.cpu(),
        lambda x: x.clone().copy_(torch.ones(3)),
        lambda x: x + torch.ones(()),
    ],
)
def test_what_waits_is_refused(waits):
    with pytest.raises(nowhere.Waits), nowhere.NeverWaits():
        waits(torch.ones(3, device="meta"))


def test_what_does_not_wait_is_not_refused():
    with nowhere.NeverWaits():
        x = torch.ones(3, device="meta")
        y = torch.where(x > 0, 2 * x + 1, x.new_zeros(3)) + torch.full((), 2.0, device="meta")
        y = y.masked_fill(x > 1, 0.0)[torch.arange(2, device="meta")].to(torch.float64)
        assert (torch.ones(3) * 2)[torch.ones(3) > 0].sum().item() == 6.0  # on the CPU
    assert y.shape == (2,)


class Looks(GanTerm):
    def generator(self, game):
        return Loss(game.fake_critique.score.mean() * (2.0 if game.iteration == 1 else 1.0))


def test_a_term_that_looks_at_the_iteration_is_found(tiny_gan, tiny_data, fit, monkeypatch):
    model = tiny_gan(objective={"non_saturating": NonSaturating(), "looks": Looks()})
    with pytest.raises(nowhere.Waits, match="a number is read"):
        nowhere.train(model, tiny_data, fit, monkeypatch, steps=1)


GANS = {
    "accumulated": {"accumulation": 2, "critic_iterations": 2, "gradient_clip_norm": 1.0, "ema_half_life_examples": 50},
    "lazy": {"objective": {"non_saturating": NonSaturating(), "r1": R1(every_iterations=2)}},
    "held": {"objective": {"non_saturating": NonSaturating(), "lecam": LeCam(), "clipping": WeightClipping()}},
}
VAES = {
    "warm": {"objective": Elbo(beta=CyclicalWarmup(3)), "accumulation": 2, "gradient_clip_norm": 1.0},
    "average": {"ema_half_life_examples": 50, "input_noise": 0.1},
}


@pytest.mark.parametrize("changes", GANS)
def test_no_gan_waits(changes, tiny_gan, tiny_data, fit, monkeypatch):
    nowhere.train(tiny_gan(**GANS[changes]), tiny_data, fit, monkeypatch, steps=3)


@pytest.mark.parametrize("changes", VAES)
def test_no_vae_waits(changes, tiny_vae, tiny_data, fit, monkeypatch):
    nowhere.train(tiny_vae(**VAES[changes]), tiny_data, fit, monkeypatch, steps=3)


def test_a_recipe_that_warms_up_its_rates_does_not_wait(tiny_vae, tiny_data, fit, monkeypatch):
    from genloom.schedules import cosine

    model = tiny_vae(scheduler=partial(cosine, warmup_iterations=1))
    nowhere.train(model, tiny_data, fit, monkeypatch, steps=3)
