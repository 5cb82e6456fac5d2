"""Looks draw what they say, of any model that offers it, and change nothing."""

import copy
import random
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger

from genloom import randomness
from genloom.batch import NOTHING, Given
from genloom.bottlenecks.gaussian import Gaussian
from genloom.contents.image import ImageContent, Images
from genloom.contents.label import LabelContent
from genloom.contents.shown import Picture
from genloom.contents.vector import VectorContent
from genloom.distributions.latents import NormalWithCodes, StandardNormal
from genloom.errors import CapabilityError, DataError
from genloom.examples import Examples
from genloom.extractors.features import FeatureExtractor, Features, Pixels
from genloom.inspections import neighbours
from genloom.inspections.base import Look, PictureLook
from genloom.inspections.classes import Classes
from genloom.inspections.directions import LatentDirections
from genloom.inspections.interpolation import Interpolation
from genloom.inspections.manifold import Manifold
from genloom.inspections.neighbours import Neighbours
from genloom.inspections.projector import Projector
from genloom.inspections.reconstructions import Reconstructions
from genloom.inspections.sample_grid import SampleGrid
from genloom.inspections.traversal import Traversal
from genloom.inspections.truncation import TruncationSweep
from genloom.judging.judge import Judge
from genloom.models.gan import GAN
from genloom.networks.base import Generator, LatentProjection, Truncating
from genloom.networks.conditioning import Concatenation
from genloom.networks.dense import DenseDiscriminator, DenseGenerator
from genloom.networks.heads import Projection
from genloom.objectives.gan import NonSaturating
from genloom.spec import Spec

PADDING = 2  # of a grid


def holding(examples: Examples) -> Callable[[], Any]:
    """Data whose every split is ``examples``."""
    return lambda: SimpleNamespace(split=lambda name: examples, modelled=lambda name: examples)


def no_data() -> Any:
    raise AssertionError("this look needs no data")


def cells(picture: Picture | torch.Tensor, columns: int, size: int = 4) -> torch.Tensor:
    """Cut a grid of grey images into (rows, columns, size, size)."""
    sheet = picture if isinstance(picture, torch.Tensor) else picture.pixels
    step = size + PADDING
    inner = sheet[0, PADDING:, PADDING : PADDING + columns * step]
    return inner.unfold(0, size, step).unfold(1, size, step)


def pixels(model: GAN, content: torch.Tensor) -> torch.Tensor:
    return model.spec.content.decode(content).squeeze(1)


class Styled(Truncating):
    """w = z + 2 for each of two styles, whose mean is 2; the picture is a dense layer's of both."""

    latent_names = frozenset({"w"})

    def __init__(self, spec: Spec, latent_dim: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(latent_dim * 2, 16)

    def embed(self, latent, given, rng):
        return latent if "w" in latent else {"w": (latent["z"] + 2).unsqueeze(1).repeat(1, 2, 1)}

    def truncate(self, latent, psi):
        return {"w": 2 + psi * (latent["w"] - 2)}

    def latent_projection(self):
        return LatentProjection("w", self.layer.weight.view(32, -1))

    def forward(self, latent, given=NOTHING):
        return self.layer(latent["w"].flatten(1)).tanh().view(-1, 1, 4, 4)


class Shades(Generator):
    """The upper half is as bright as the class, or the code, the lower half as the noise."""

    def __init__(self, spec: Spec, latent_dim: int, *, conditional: bool = True) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.conditions = ("label",) if conditional else ()

    def forward(self, latent, given=NOTHING):
        z = latent["z"]
        known = given["label"] if self.conditions else z[:, 2:5].argmax(1)
        halves = torch.stack([known / 4, z[:, 0].tanh()], dim=1).view(-1, 1, 2, 1)
        return halves.repeat_interleave(2, dim=2).expand(-1, 1, 4, 4) * self.weight


def labelled(**changes) -> GAN:
    torch.manual_seed(0)
    arguments = {
        "generator": Shades,
        "discriminator": partial(DenseDiscriminator, widths=[8], head=Projection),
        "latent": StandardNormal(3),
        "objective": {"non_saturating": NonSaturating()},
        "optimizer": {},
    }
    spec = Spec("tiny", ImageContent(1, 4, 4), {"label": LabelContent(("cat", "dog", "eel"), (1, 1, 1))})
    return GAN(spec, **{**arguments, **changes})


def coded(tiny_gan) -> GAN:
    latent = NormalWithCodes(6, categories=3, continuous=1)
    return tiny_gan(generator=partial(Shades, conditional=False), latent=latent)


@pytest.fixture
def judge(tmp_path) -> Judge:
    return Judge({"pixels": Pixels()}, {}, cache_dir=tmp_path / "cache")


# What each shows


def test_full_truncation_is_no_truncation_and_none_is_the_mean(tiny_gan):
    model = tiny_gan(generator=Styled)
    picture = TruncationSweep(psis=[0, 0.5, 1], columns=5).picture(model, no_data).pixels
    rows = cells(picture, 5)
    assert rows.shape[:2] == (3, 5)
    plain = model.sample(5, rng=randomness.generator(model.seed, "truncation"))
    assert torch.equal(rows[2], pixels(model, plain.content))
    mean = model.decode({"w": torch.full((1, 2, 3), 2.0)})
    assert all(torch.equal(cell, pixels(model, mean.content)[0]) for cell in rows[0])
    assert not torch.equal(rows[1], rows[2])


@pytest.mark.parametrize("changes", [{}, {"generator": Styled}], ids=["z", "w of several styles"])
def test_every_direction_passes_through_the_same_undisturbed_sample(tiny_gan, changes):
    model = tiny_gan(**changes)
    rows = cells(LatentDirections(num_directions=2, steps=5, distance=2.0).picture(model, no_data), 5)
    assert rows.shape[:2] == (2, 5)
    plain = model.sample(1, rng=randomness.generator(model.seed, "directions"))
    for row in rows:
        assert torch.equal(row[2], pixels(model, plain.content)[0])
        assert not torch.equal(row[0], row[4])
    assert not torch.equal(rows[0, 0], rows[1, 0])


def test_the_first_direction_changes_most(tiny_gan):
    model = tiny_gan(generator=partial(DenseGenerator, widths=[]))
    rows = cells(LatentDirections(num_directions=3, steps=3, distance=0.5).picture(model, no_data), 3).float()
    changed = (rows[:, 2] - rows[:, 0]).square().sum((1, 2))
    assert changed.argmax() == 0


def test_there_are_no_more_directions_than_dimensions(tiny_gan):
    rows = cells(LatentDirections(num_directions=9).picture(tiny_gan(), no_data), 7)
    assert len(rows) == 3


def test_a_column_is_a_class_and_a_row_a_latent():
    model = labelled()
    grid = cells(Classes(per_class=4).picture(model, no_data), 3)
    assert grid.shape[:2] == (4, 3)
    for column in range(3):
        assert (grid[:, column, :2] == round((column / 4 + 1) * 127.5)).all()
    assert torch.equal(grid[:, 0, 2:], grid[:, 2, 2:])
    assert len(grid[:, 0, 2:].flatten(1).unique(dim=0)) == 4
    chosen = cells(Classes(per_class=4, classes=["eel"]).picture(model, no_data), 1)
    assert torch.equal(chosen[:, 0], grid[:, 2])


def test_a_column_is_a_value_of_a_learned_code(tiny_gan):
    grid = cells(Classes(per_class=4).picture(coded(tiny_gan), no_data), 3)
    for column in range(3):
        assert (grid[:, column, :2] == round((column / 4 + 1) * 127.5)).all()
    assert torch.equal(grid[:, 0, 2:], grid[:, 2, 2:])


def test_a_walk_goes_from_one_latent_to_another_and_keeps_its_class():
    model = labelled()
    rows = cells(Interpolation(rows=6, steps=5).picture(model, no_data), 5)
    assert rows.shape[:2] == (6, 5)
    assert (rows[:, :, :2] == rows[:, :1, :2]).all()
    assert len(rows[:, 0, 0, 0].unique()) > 1
    rng = randomness.generator(model.seed, "interpolation")
    start, end = model.draw_latent(6, rng), model.draw_latent(6, rng)
    given = model.draw_given(6, rng)
    for column, latent in ((0, start), (4, end)):
        ours, theirs = rows[:, column].int(), pixels(model, model.decode(latent, given).content).int()
        assert (ours - theirs).abs().max() <= 1  # slerp rounds


def test_a_walk_crosses_over_from_one_code_to_another(tiny_gan):
    rows = cells(Interpolation(rows=6, steps=5).picture(coded(tiny_gan), no_data), 5)
    assert all(len(row[:, 0, 0].unique()) <= 2 for row in rows)


@pytest.mark.parametrize("num_train", [100, 2], ids=["many", "fewer than asked for"])
def test_copies_are_found_first(tiny_gan, tiny_data, judge, num_train):
    train = tiny_data.split("train")[:num_train]

    class Copying(Generator):
        def __init__(self, spec, latent_dim):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, latent, given=NOTHING):
            index = (latent["z"][:, 0] * 1000).long() % num_train
            return ImageContent(1, 4, 4).encode(train.content[index])

    picture = Neighbours(judge, num=5, k=3).picture(tiny_gan(generator=Copying), holding(train)).pixels
    samples = cells(picture[:, :, :8], 1)[:, 0]
    found = cells(picture[:, :, 8 + 12 :], min(3, num_train))
    assert found.shape[:2] == (5, min(3, num_train))
    assert torch.equal(found[:, 0], samples)
    distance = (found.float() - samples.unsqueeze(1).float()).square().sum((2, 3))
    every = (samples.unsqueeze(1).float() - train.content[:, 0].float()).square().sum((2, 3))
    torch.testing.assert_close(distance, every.sort(dim=1).values[:, :3])


def test_a_trained_extractor_decides_what_is_near(tiny_gan, tiny_data, tmp_path):
    class Brightness(Pixels):
        name, trained = "brightness", True

        def extract(self, images) -> Features:
            return Features(images.float().mean((2, 3)), torch.empty(len(images), 0))

    class Costly(Brightness):
        name, costly = "costly", True

        def extract(self, images):
            raise AssertionError("too much for it")

    extractors: dict[str, FeatureExtractor] = {"costly": Costly(), "pixels": Pixels(), "brightness": Brightness()}
    judge = Judge(extractors, {}, cache_dir=tmp_path / "cache")
    train = tiny_data.split("train")
    picture = Neighbours(judge, num=4, k=2).picture(tiny_gan(), holding(train)).pixels
    samples, found = cells(picture[:, :, :8], 1)[:, 0].float(), cells(picture[:, :, 20:], 2).float()
    every = (samples.mean((1, 2)).unsqueeze(1) - train.content[:, 0].float().mean((1, 2))).abs()
    torch.testing.assert_close(
        (samples.mean((1, 2)).unsqueeze(1) - found.mean((2, 3))).abs(),
        every.sort(dim=1).values[:, :2],
    )
    look = Neighbours(Judge({"costly": Costly()}, {}, cache_dir=tmp_path), num=4)
    assert "metrics=images" in str(look.why_not(ImageContent(1, 4, 4)))


# What all of them promise


def looks(judge: Judge) -> list[PictureLook]:
    return [
        SampleGrid(num=4, every_iterations=2),
        Interpolation(rows=2, steps=3, every_iterations=2),
        Neighbours(judge, num=3, every_iterations=2),
        LatentDirections(every_iterations=2),
        TruncationSweep(columns=3, every_iterations=2),
    ]


def test_looking_changes_neither_training_nor_random_state(tiny_gan, tiny_data, fit, judge, tmp_path):
    plain, watched = (tiny_gan(generator=Styled, ema_half_life_examples=50) for _ in range(2))
    fit(plain, copy.deepcopy(tiny_data), max_steps=5)
    states = [torch.get_rng_state(), random.getstate(), str(np.random.get_state())]
    chosen = looks(judge)
    fit(watched, tiny_data, max_steps=5, callbacks=chosen)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == [random.getstate(), str(np.random.get_state())]
    for look in chosen:  # every second iteration, and the end
        files = sorted(path.name for path in (tmp_path / "samples").glob(f"{look.name}-*.png"))
        assert files == [f"{look.name}-{step:07d}.png" for step in (2, 4, 5)]


def test_a_picture_is_the_same_each_time(tiny_gan, tiny_data, judge):
    model = tiny_gan(generator=Styled)
    for look in looks(judge):
        first, second = (look.picture(model, lambda: tiny_data).pixels for _ in range(2))
        assert torch.equal(first, second), look.name


@pytest.mark.parametrize(
    ("look", "needed"),
    [(TruncationSweep(), "Truncate"), (Classes(), "Condition"), (Projector(), "Encode")],
)
def test_a_model_that_lacks_the_ability_is_refused(tiny_gan, look, needed):
    with pytest.raises(CapabilityError, match=rf"it needs {needed}; this model offers .*Sample"):
        look.check(tiny_gan())


def test_points_are_scattered_or_said_not_to_be_drawn(tiny_gan, judge, capsys):
    model = tiny_gan()
    model.spec = Spec("ring", VectorContent(2))
    model.generator = DenseGenerator(model.spec, 3, widths=[8])
    train = Examples(torch.randn(20, 2, generator=torch.Generator().manual_seed(0)))
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    for look in (SampleGrid(num=8), Interpolation(rows=2, steps=4), LatentDirections()):
        assert look.why_not(model.spec.content) is None
        assert look.picture(model, holding(train)).pixels.shape[0] == 1
    for look in (Neighbours(judge), Reconstructions()):
        look.setup(trainer, model, "fit")
        assert f"{look.name}: not drawn: made for pictures, and the data holds points" in (capsys.readouterr().out)
        look.look(trainer, model)  # nothing


def test_what_is_arranged_in_rows_is_shown_of_any_content(tiny_gan, tiny_vae, tiny_labelled):
    points = Spec("ring", VectorContent(2), {"label": LabelContent(("a", "b"), (1, 1))})
    network = partial(DenseGenerator, widths=[8], conditioning=Concatenation)
    told = tiny_gan(
        spec=points, generator=network, discriminator=partial(DenseDiscriminator, widths=[8], head=Projection)
    )
    plane = tiny_vae(spec=points, bottleneck=partial(Gaussian, dim=2))
    real = Examples(torch.randn(20, 2, generator=torch.Generator().manual_seed(0)))
    for model, look in ((told, Classes()), (plane, Manifold(rows=4)), (plane, Traversal(rows=2, num_examples=20))):
        assert look.why_not(points.content) is None
        look.check(model)
        assert look.picture(model, holding(real)).pixels.shape[0] == 1


def test_data_that_is_not_there_is_said_by_the_looks_that_show_it(tiny_gan, judge):
    def gone() -> Images:
        raise DataError("photos does not exist")

    for look in (SampleGrid(num=4), Neighbours(judge)):
        with pytest.raises(DataError, match="photos"):
            look.picture(tiny_gan(), gone)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TruncationSweep(psis=[]), "psis: none"),
        (lambda: TruncationSweep(columns=0), "columns: 0"),
        (lambda: LatentDirections(steps=1), "steps: 1 is below the limit of 2"),
        (lambda: LatentDirections(num_directions=0), "num_directions: 0"),
        (lambda: Classes(per_class=0), "per_class: 0"),
        (lambda: Interpolation(steps=0), "steps: 0"),
    ],
)
def test_impossible_arguments_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_conditional_network_of_genloom_is_walked(judge, tiny_data):
    model = labelled(generator=partial(DenseGenerator, widths=[8], conditioning=Concatenation))
    train = tiny_data.split("train")
    for look in (Interpolation(rows=2, steps=3), LatentDirections(), Classes(per_class=2), Neighbours(judge, num=2)):
        assert look.picture(model, holding(train)).pixels.dtype == torch.uint8
    drawn = model.sample(3, rng=randomness.generator(1), given=Given(label=torch.tensor([1, 1, 1])))
    assert drawn.given["label"].tolist() == [1, 1, 1]


# Latent spaces of autoencoders


def test_the_manifold_is_drawn_at_the_quantiles_of_a_standard_normal(tiny_vae):
    model = tiny_vae(bottleneck=partial(Gaussian, dim=2))
    rows = cells(Manifold(rows=4).picture(model, no_data), 4)
    ends = torch.special.ndtri(torch.tensor([1 / 8, 7 / 8]))  # the first number to the right, the second upwards
    for row, column, z in ((3, 0, ends[[0, 0]]), (0, 3, ends[[1, 1]]), (0, 0, ends[[0, 1]])):
        assert torch.equal(rows[row, column], pixels(model, model.decode({"z": z.unsqueeze(0)}).content)[0])
    assert not torch.equal(rows[0, 0], rows[3, 3])


def test_a_manifold_of_three_numbers_is_refused_by_the_key(tiny_vae):
    with pytest.raises(CapabilityError, match=r"model\.bottleneck\.dim=2; this model's is z of 3"):
        Manifold().check(tiny_vae())


@pytest.mark.parametrize("dim", [2, 3])
def test_the_projector_gets_every_vector_its_class_and_its_thumbnail(tiny_vae, tiny_labelled, fit, tmp_path, dim):
    model = tiny_vae(spec=tiny_labelled.describe(), bottleneck=partial(Gaussian, dim=dim))
    board = TensorBoardLogger(tmp_path, name="", version="")
    fit(model, tiny_labelled, max_steps=1, logger=board, callbacks=[Projector(num_examples=7)])
    (folder,) = (path.parent for path in tmp_path.rglob("tensors.tsv"))
    vectors = [line.split("\t") for line in (folder / "tensors.tsv").read_text().splitlines()]
    examples = tiny_labelled.split("val")[:7]
    batch = next(model.spec.batches(examples, 7))
    written = torch.tensor([[float(x) for x in row] for row in vectors])
    assert written.shape == (7, 3)  # TensorBoard shows nothing of fewer numbers
    assert torch.allclose(written[:, :dim], model.encode(batch)["z"], atol=1e-4)
    assert not written[:, dim:].any()
    assert (folder / "metadata.tsv").read_text().split() == [tiny_labelled.classes[label] for label in examples.labels]
    with Image.open(folder / "sprite.png") as sprite:
        assert sprite.size == (12, 12)  # three times three pictures of four pixels


def test_a_look_that_fails_is_one_warning(tiny_gan, tiny_data, fit, capsys):
    class Broken(Look):
        tried = 0

        def look(self, trainer: Any, model: Any) -> None:
            torch.rand(3)
            self.tried += 1
            raise OSError("no space left\non device")

    look, plain, watched = Broken(every_iterations=1), tiny_gan(), tiny_gan()
    fit(plain, copy.deepcopy(tiny_data), max_steps=3)
    trainer = fit(watched, tiny_data, max_steps=3, callbacks=[look])
    assert (trainer.global_step, look.tried) == (3, 3)
    assert capsys.readouterr().out.count("warning: Broken: no space left; training goes on without this look\n") == 1
    for one, other in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_file_in_the_place_of_the_samples_costs_no_run(tiny_gan, tiny_data, fit, tmp_path, capsys):
    (tmp_path / "samples").touch()
    assert fit(tiny_gan(), tiny_data, max_steps=4, callbacks=[SampleGrid(num=4, every_iterations=2)]).global_step == 4
    assert capsys.readouterr().out.count("warning: SampleGrid: ") == 1


def test_the_nearest_of_many_points_are_found_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    queries, points = torch.randn(7, 5, generator=rng), torch.randn(50, 5, generator=rng)
    whole = torch.cdist(queries, points).topk(4, largest=False).indices
    for size in (8192, 16, 3):  # the last part has two points, fewer than are looked for
        monkeypatch.setattr(neighbours, "_POINTS", size)
        assert torch.equal(neighbours.nearest(queries, points, 4), whole)
