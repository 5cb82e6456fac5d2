import copy
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

import genloom.networks
from discovery import classes, missing
from genloom import devices
from genloom.contents.image import ImageContent
from genloom.contents.vector import VectorContent
from genloom.errors import ConfigError
from genloom.networks.gan.ada import AdaptiveAugment
from genloom.networks.gan.augmentation import (
    BILINEAR,
    NEAREST,
    REFLECTION,
    ZERO,
    Augmentation,
    DiffAugment,
    resample,
    spread,
    translation,
)
from genloom.spec import Spec

NO_ADA: dict[str, Any] = {
    **dict.fromkeys(("shift", "scale", "rotate", "stretch", "translate", "brightness", "contrast", "hue"), 0.0),
    "saturation": 0.0,
    "luma_flip": False,
    "initial_probability": 1.0,
    "max_probability": 1.0,
}
NO_DIFF = dict.fromkeys(("brightness", "saturation", "contrast", "translation", "cutout"), 0.0)
everything = partial(AdaptiveAugment, initial_probability=0.8, flip=True, rotate_90=True)
BUILDS = {DiffAugment: DiffAugment, AdaptiveAugment: everything}
BOTH = pytest.mark.parametrize("build", BUILDS.values(), ids=["diffaugment", "ada"])
SHAPES = pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 20, 36)], ids=str)


def spec(channels: int = 3, height: int = 32, width: int | None = None) -> Spec:
    return Spec("any", ImageContent(channels, height, width or height))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(num: int, channels: int = 3, height: int = 32, width: int | None = None, **options: Any) -> Tensor:
    return torch.rand(num, channels, height, width or height, generator=rng(99), **options) * 2 - 1


def only(channels: int = 3, size: int = 32, **chosen: Any) -> AdaptiveAugment:
    return AdaptiveAugment(spec(channels, size), **{**NO_ADA, **chosen})


def only_diff(channels: int = 3, size: int = 32, **chosen: Any) -> DiffAugment:
    return DiffAugment(spec(channels, size), **{**NO_DIFF, **chosen})


# Any augmentation


def test_every_augmentation_has_a_case():
    assert missing(classes(Augmentation, genloom.networks), BUILDS) == []


@SHAPES
@BOTH
def test_images_keep_their_shape_and_type_and_the_input_stays_as_it_was(build, shape):
    augment, content = build(spec(*shape)), images(16, *shape)
    before = content.clone()
    for given in (content, content.to(memory_format=torch.channels_last), content.bfloat16()):
        out = augment(given, rng())
        assert out.shape == content.shape and out.dtype == given.dtype
        assert out.isfinite().all() and not out.equal(given)
        torch.testing.assert_close(out.float(), augment(content, rng()), atol=0.1, rtol=0.02)
    assert content.equal(before)


@BOTH
def test_draws_come_from_the_given_generator_only(build):
    augment, content = build(spec()), images(8)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = augment(content, rng(3))
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(2)
    assert augment(content, rng(3)).equal(first)
    assert not augment(content, rng(4)).equal(first)


@BOTH
def test_two_calls_on_one_generator_and_two_images_of_a_batch_get_their_own_draws(build):
    augment, stream = build(spec()), rng()
    content = images(1).expand(8, -1, -1, -1)
    real, fake = augment(content, stream), augment(content, stream)
    differ = [
        (a - b).abs().max() > 0 for a, b in zip(torch.cat([real, fake]), torch.cat([real, fake])[1:], strict=False)
    ]
    assert sum(differ) >= 13


@BOTH
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_of_gradients_are_right(build, channels):
    augment = build(spec(channels, 4, 5))
    content = images(2, channels, 4, 5, dtype=torch.double).requires_grad_()

    def cubed(x: Tensor) -> Tensor:
        return augment(x, rng(6)) ** 3

    assert not cubed(content).equal(content**3)
    assert torch.autograd.gradcheck(cubed, (content,))
    assert torch.autograd.gradgradcheck(cubed, (content,))


@BOTH
def test_half_precision_regions_change_nothing(build):
    augment, content = build(spec()), images(8)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = augment(content, rng())
    assert mixed.equal(augment(content, rng()))


@BOTH
def test_a_gradient_penalty_reaches_the_discriminator_through_it(build):
    augment, weight = build(spec(1, 8)), torch.randn(64, requires_grad=True)
    content = images(4, 1, 8).requires_grad_()
    score = (augment(content, rng(1)).flatten(1) @ weight).tanh()
    (gradient,) = torch.autograd.grad(score.sum(), content, create_graph=True)
    gradient.square().sum().backward()
    assert weight.grad is not None and weight.grad.abs().sum() > 0


@BOTH
def test_what_is_no_image_is_refused(build):
    with pytest.raises(
        ConfigError,
        match=r"^model\.augmentation: \w+ is made for pictures, and data\.name=ring .*; set model\.augmentation=null$",
    ):
        build(Spec("ring", VectorContent(2)))


def test_the_base_class_logs_nothing():
    assert Augmentation(spec()).observe(0.5, 10) == {}


@pytest.mark.parametrize(
    ("build", "key", "value"),
    [
        (DiffAugment, "translation", 1.5),
        (DiffAugment, "brightness", -0.1),
        (AdaptiveAugment, "target", 2.0),
        (AdaptiveAugment, "interval", 0),
        (AdaptiveAugment, "adjustment_examples", 0),
        (AdaptiveAugment, "initial_probability", 0.9),
        (AdaptiveAugment, "rotate", 1.5),
        (AdaptiveAugment, "saturation", -1.0),
    ],
)
def test_a_value_out_of_its_limits_is_refused(build, key, value):
    with pytest.raises(ConfigError, match=rf"^model\.augmentation\.{key}: {value} is (below|above) the limit of "):
        build(spec(), **{key: value})


@pytest.mark.parametrize(("name", "kind"), [("diffaugment", DiffAugment), ("ada", AdaptiveAugment)])
def test_the_configuration_states_the_defaults(name, kind):
    stated = OmegaConf.load(Path(__file__).parents[2] / "conf" / "augmentation" / f"{name}.yaml")
    assert stated.pop("_target_") == f"{kind.__module__}.{kind.__name__}"
    assert stated.pop("_partial_") is True
    parameters = inspect.signature(kind).parameters.values()
    assert stated == {each.name: each.default for each in parameters if each.name != "spec"}


# Resampling


def test_a_shift_by_whole_pixels_is_exact():
    content = images(1, 2, 6, 7)
    moved = resample(
        content, translation(torch.tensor([-2.0]), torch.tensor([1.0])), interpolation=NEAREST, beyond=ZERO
    )
    expected = torch.zeros_like(content)
    expected[:, :, :-1, 2:] = content[:, :, 1:, :-2]
    assert moved.equal(expected)


def test_half_a_pixel_is_the_mean_of_two_and_the_border_is_a_mirror():
    content = images(1, 1, 5)
    moved = resample(content, translation(torch.tensor([0.5]), torch.tensor([0.0])))
    mirrored = torch.cat([content, content[..., -1:]], dim=3)
    torch.testing.assert_close(moved, (mirrored[..., 1:] + mirrored[..., :-1]) / 2)


# DiffAugment


def test_diffaugment_with_nothing_on_is_the_identity():
    content = images(4)
    assert only_diff()(content, rng()).equal(content)


def test_diffaugment_colours_have_the_papers_ranges():
    content = images(1, 3, 8).expand(4000, -1, -1, -1)
    grey, mean = content.mean(1, keepdim=True), content.mean((1, 2, 3), keepdim=True)
    added = only_diff(brightness=0.5)(content, rng()) - content
    torch.testing.assert_close(added, added[:, :1, :1, :1].expand_as(added), atol=1e-5, rtol=0)
    saturated = only_diff(saturation=1.0)(content, rng())
    torch.testing.assert_close(saturated.mean(1, keepdim=True), grey, atol=1e-5, rtol=0)
    contrasted = only_diff(contrast=0.5)(content, rng())
    torch.testing.assert_close(contrasted.mean((1, 2, 3), keepdim=True), mean, atol=1e-5, rtol=0)
    for drawn, low, high in (
        (added[:, 0, 0, 0], -0.5, 0.5),
        (((saturated - grey) / (content - grey))[:, 0, 0, 0], 0.0, 2.0),
        (((contrasted - mean) / (content - mean))[:, 0, 0, 0], 0.5, 1.5),
    ):
        assert low - 1e-4 <= drawn.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < drawn.max() <= high + 1e-4
        assert drawn.mean().item() == pytest.approx((low + high) / 2, abs=0.02 * (high - low))


def test_grey_images_have_no_saturation():
    content = images(4, 1)
    assert only_diff(1, saturation=1.0)(content, rng()).equal(content)


def test_diffaugment_translates_by_at_most_an_eighth_and_fills_with_mid_grey():
    content = torch.ones(4000, 1, 32, 32)
    seen = only_diff(1, translation=0.125)(content, rng())
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    for axis in (2, 3):
        lines = seen.amax(axis)[:, 0]  # where a line of ones is left
        assert lines[:, 4:-4].all()
        shift = (1 - lines[:, :4]).sum(1) - (1 - lines[:, -4:]).sum(1)
        assert set(shift.tolist()) == set(range(-4, 5))
        assert shift.var().item() == pytest.approx(60 / 9, rel=0.06)


def test_diffaugment_translation_moves_the_picture():
    content = torch.zeros(200, 1, 32, 32)
    content[:, :, 16, 16] = 1
    seen = only_diff(1, translation=0.125)(content, rng())
    assert seen.sum((1, 2, 3)).eq(1).all()
    rows, columns = seen[:, 0].amax(2).argmax(1), seen[:, 0].amax(1).argmax(1)
    assert rows.min() == columns.min() == 12 and rows.max() == columns.max() == 20
    assert abs(torch.corrcoef(torch.stack([rows, columns]).float())[0, 1]) < 0.2


@pytest.mark.parametrize("size", [32, 28, 10])
def test_cutout_is_a_square_of_half_the_side_anywhere(size):
    content = torch.ones(20000, 1, size, size)
    hole = only_diff(1, size, cutout=0.5)(content, rng())[:, 0] == 0
    side = size // 2
    height, width = hole.any(2).sum(1), hole.any(1).sum(1)
    assert hole.sum((1, 2)).equal(height * width)  # a rectangle
    assert height.max() == width.max() == side and height.min() >= side // 2
    centres = range(size + 1 - side % 2)
    lengths = [min(c - side // 2 + side, size) - max(c - side // 2, 0) for c in centres]
    expected = (sum(lengths) / len(lengths) / size) ** 2
    assert hole.float().mean().item() == pytest.approx(expected, rel=0.02)


# Adaptive augmentation: the transformations


def test_at_probability_zero_nothing_is_done():
    content = images(4)
    stream = rng()
    assert AdaptiveAugment(spec(), flip=True)(content, stream) is content
    assert torch.equal(stream.get_state(), rng().get_state())


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_device_that_is_not_asked_for_the_probability_does_the_same(channels, probability, monkeypatch):
    content = images(50, channels, 8)
    augment = AdaptiveAugment(spec(channels, 8), initial_probability=probability, flip=True)
    expected = augment(content, rng())
    monkeypatch.setattr(devices, "works_behind", lambda place: True)
    found = augment(content, rng())
    assert torch.equal(found, expected) and torch.equal(found, content) == (probability == 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_without_a_transformation_are_the_same_bit_for_bit(channels):
    content = images(4000, channels, 8)
    augment = AdaptiveAugment(spec(channels, 8), initial_probability=0.05, rotate_90=True)
    same = (augment(content, rng()) == content).all((1, 2, 3)).float().mean().item()
    independent = (
        7 if channels == 1 else 9.5
    )  # each spares 0.95; half of the luma's flips and a quarter turn do nothing
    assert same == pytest.approx(0.95**independent, abs=0.03)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_that_is_not_due_is_not_computed_with(channels):
    """Multiplied by an identity, one infinite value would spoil its pixel's other colours."""
    content = images(200, channels, 8)
    content[:, 0, 3, 4] = torch.inf
    augment = AdaptiveAugment(spec(channels, 8), initial_probability=0.05)
    same = (augment(content, rng()) == content).all((1, 2, 3)).float().mean().item()
    assert same == pytest.approx(0.95 ** (6 if channels == 1 else 8.5), abs=0.12)


def turned(content: Tensor) -> list[Tensor]:
    return [torch.rot90(content, k, (1, 2)) for k in range(4)]


def matches(out: Tensor, options: Callable[[Tensor], list[Tensor]], content: Tensor) -> list[int]:
    """Which of the options each image of the output is."""
    found = []
    for picture, given in zip(out, content, strict=True):
        hits = [k for k, option in enumerate(options(given)) if torch.allclose(picture, option, atol=1e-4)]
        assert len(hits) == 1
        found += hits
    return found


@pytest.mark.parametrize("size", [8, 9])
def test_quarter_turns_are_rot90_evenly(size):
    content = images(400, 2 + 1, size)
    found = matches(only(rotate_90=True)(content, rng()), turned, content)
    assert min(found.count(k) for k in range(4)) > 70


def test_flips_are_mirror_images_half_of_the_time():
    content = images(400, 3, 8, 10)
    out = AdaptiveAugment(spec(3, 8, 10), **{**NO_ADA, "flip": True})(content, rng())
    assert 160 < sum(matches(out, lambda x: [x, x.flip(2)], content)) < 240


def test_the_probability_is_that_of_each_transformation():
    content = images(2000, 1, 8)
    out = only(1, 8, flip=True, initial_probability=0.5)(content, rng())
    assert (out != content).any(3).any(2).float().mean().item() == pytest.approx(0.25, abs=0.03)
    out = only(1, 8, rotate=1.0, initial_probability=0.5)(content, rng())  # before or after stretching
    assert (out != content).any(3).any(2).float().mean().item() == pytest.approx(0.5, abs=0.04)


def centroid(content: Tensor) -> Tensor:
    """Mean position (x, y) in pixels from the centre, of the mass of images of one channel, and their spread."""
    height, width = content.shape[2:]
    x, y = torch.arange(width) - (width - 1) / 2, torch.arange(height) - (height - 1) / 2
    mass = content[:, 0] / content[:, 0].sum((1, 2), keepdim=True)
    return torch.stack([(mass.sum(1) * x).sum(1), (mass.sum(2) * y).sum(1)], dim=1)


def blob(num: int, x: float, y: float, size: int = 64, deviation: float = 3.0) -> Tensor:
    across = torch.arange(size) - (size - 1) / 2
    near = ((across - x) ** 2)[None, :] + ((across - y) ** 2)[:, None]
    return torch.exp(-near / (2 * deviation**2)).expand(num, 1, size, size)


def test_a_shift_is_by_whole_pixels_up_to_an_eighth():
    at = centroid(only(1, 64, shift=0.125)(blob(1000, 0, 0), rng()))
    torch.testing.assert_close(at, at.round(), atol=1e-3, rtol=0)
    assert at.amin(0).round().tolist() == [-8, -8] and at.amax(0).round().tolist() == [8, 8]


def test_a_translation_has_the_papers_deviation_in_both_directions():
    at = centroid(only(1, 64, translate=0.05)(blob(2000, 0, 0), rng()))
    torch.testing.assert_close(at.std(0), torch.tensor([3.2, 3.2]), rtol=0.05, atol=0)
    torch.testing.assert_close(at.mean(0), torch.zeros(2), rtol=0, atol=0.25)


def test_a_rotation_keeps_the_radius_and_takes_every_angle():
    at = centroid(only(1, 64, rotate=1.0)(blob(2000, 8, 0, deviation=2.0), rng()))
    torch.testing.assert_close(at.norm(dim=1), torch.full((2000,), 8.0), atol=0.05, rtol=0)
    angle = torch.atan2(at[:, 1], at[:, 0])
    assert angle.histc(8, -torch.pi, torch.pi).min() > 180
    small = only(1, 64, rotate=0.1)(blob(500, 8, 0, deviation=2.0), rng())
    assert torch.atan2(*centroid(small).flip(1).unbind(1)).abs().max() < 2 * 0.1 * torch.pi + 0.01


def test_rotations_are_rigid_on_images_that_are_no_squares():
    content = blob(200, 3, 0, deviation=1.2)[:, :, 8:56]
    augment = AdaptiveAugment(spec(1, 48, 64), **{**NO_ADA, "rotate": 1.0})
    torch.testing.assert_close(
        centroid(augment(content, rng())).norm(dim=1), torch.full((200,), 3.0), atol=0.05, rtol=0
    )


def test_scaling_is_even_in_all_directions_and_stretching_keeps_the_area():
    content = blob(1000, 4, 2, deviation=1.5)
    at = centroid(only(1, 64, scale=0.2)(content, rng()))
    torch.testing.assert_close(at[:, 0] / 4, at[:, 1] / 2, atol=0.01, rtol=0)
    assert (at[:, 0] / 4).log2().std().item() == pytest.approx(0.2, rel=0.1)
    at = centroid(only(1, 64, stretch=0.2)(content, rng()))
    torch.testing.assert_close((at[:, 0] / 4) * (at[:, 1] / 2), torch.ones(1000), atol=0.02, rtol=0)
    assert (at[:, 0] / 4).log2().std().item() == pytest.approx(0.2, rel=0.1)


def test_geometry_comes_to_the_papers_product_of_matrices():
    """Drawn and done in the same order; the product of the forward maps is inverted here."""
    content, stream = images(6, 1, 16, 24), rng(5)
    chosen = {"flip": True, "rotate_90": True, "shift": 0.2, "scale": 0.3, "rotate": 1.0, "stretch": 0.3}
    out = AdaptiveAugment(spec(1, 16, 24), **{**NO_ADA, **chosen, "translate": 0.1})(content, rng(5))

    def drawn(sample: Callable[..., Tensor], *size: Any) -> Tensor:
        value = sample(*size, generator=stream)
        torch.rand(6, generator=stream)  # whether it is due: it is
        return value

    def pair(sample: Callable[..., Tensor]) -> Tensor:
        torch.rand(6, generator=stream)  # the same for both coordinates
        return torch.stack([sample(6, generator=stream), sample(6, generator=stream)])

    def angle() -> Tensor:
        torch.rand(6, generator=stream)
        return (torch.rand(6, generator=stream) * 2 - 1) * torch.pi

    def affine(a: Any, b: Any, c: Any, d: Any, x: Any = 0.0, y: Any = 0.0) -> Tensor:
        rows = [torch.as_tensor(each).float().expand(6) for each in (a, b, x, c, d, y, 0.0, 0.0, 1.0)]
        return torch.stack(rows, dim=1).view(6, 3, 3)

    def rotation(by: Tensor) -> Tensor:
        return affine(by.cos(), by.sin(), -by.sin(), by.cos())

    size = torch.tensor([24.0, 16.0])[:, None]
    forward = affine(1 - 2 * drawn(torch.randint, 2, (6,)), 0, 0, 1)
    forward = rotation(drawn(torch.randint, 4, (6,)) * torch.pi / 2) @ forward
    forward = affine(1, 0, 0, 1, *((pair(torch.rand) * 2 - 1) * 0.2 * size).round()) @ forward
    factor = (drawn(torch.randn, 6) * 0.3).exp2()
    forward = rotation(angle()) @ affine(factor, 0, 0, factor) @ forward
    factor = (drawn(torch.randn, 6) * 0.3).exp2()
    forward = rotation(angle()) @ affine(factor, 0, 0, 1 / factor) @ forward
    forward = affine(1, 0, 0, 1, *(pair(torch.randn) * 0.1 * size)) @ forward
    torch.testing.assert_close(out, resample(content, torch.linalg.inv(forward)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_adds_one_number_to_an_image(channels):
    content = images(2000, channels, 8)
    added = only(channels, 8, brightness=0.2)(content, rng()) - content
    mean = added.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(added, mean.expand_as(added), atol=1e-5, rtol=0)
    assert mean.std().item() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_contrast_scales_around_mid_grey(channels):
    augment = only(channels, 8, contrast=0.5)
    assert augment(torch.zeros(5, channels, 8, 8), rng()).abs().max() == 0
    content = images(2000, channels, 8)
    factor = (augment(content, rng()) / content)[:, 0, 0, 0]
    torch.testing.assert_close(augment(content, rng()), content * factor[:, None, None, None], atol=1e-4, rtol=1e-4)
    assert factor.log2().std().item() == pytest.approx(0.5, rel=0.05)


def test_hue_keeps_luma_and_saturation_and_turns_red_through_all_colours():
    content = images(500, 3, 8)
    out = only(hue=1.0)(content, rng())
    torch.testing.assert_close(out.mean(1), content.mean(1), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.norm(dim=1), content.norm(dim=1), atol=1e-5, rtol=0)
    red = torch.tensor([1.0, 0, 0])[None, :, None, None].expand(500, 3, 4, 4)
    assert (only(hue=1.0)(red, rng())[:, :, 0, 0].argmax(1).bincount() > 130).all()


def test_saturation_keeps_luma_and_scales_the_distance_from_grey():
    content = images(2000, 3, 8)
    out = only(saturation=1.0)(content, rng())
    grey = content.mean(1, keepdim=True)
    torch.testing.assert_close(out.mean(1, keepdim=True), grey, atol=1e-5, rtol=0)
    factor = ((out - grey).flatten(1).norm(dim=1) / (content - grey).flatten(1).norm(dim=1)).log2()
    assert factor.std().item() == pytest.approx(1.0, rel=0.06) and abs(factor.mean()) < 0.1


def test_a_luma_flip_inverts_grey_and_keeps_pure_colour():
    content = images(200, 3, 8)
    out = only(luma_flip=True)(content, rng())
    flipped = sum(matches(out, lambda x: [x, x - 2 * x.mean(0, keepdim=True)], content))
    assert 70 < flipped < 130


def test_colours_come_to_the_papers_product_of_matrices():
    """Drawn in the same order: brightness, contrast, luma flip, hue, saturation."""
    chosen = {"brightness": 0.2, "contrast": 0.5, "luma_flip": True, "hue": 1.0, "saturation": 1.0}
    content, stream = images(6, 3, 4), rng(5)
    out = only(**chosen)(content, rng(5))

    def drawn(sample: Callable[..., Tensor], *size: Any) -> Tensor:
        value = sample(*size, generator=stream)
        return value * (torch.rand(6, generator=stream) < 1)

    b, c = drawn(torch.randn, 6) * 0.2, (drawn(torch.randn, 6) * 0.5).exp2()
    i = drawn(torch.randint, 2, (6,))
    theta = (drawn(torch.rand, 6) * 2 - 1) * torch.pi
    s = drawn(torch.randn, 6).exp2()
    v = torch.ones(3) / 3**0.5
    axis = torch.tensor([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    for picture, given, k in zip(out, content, range(6), strict=True):
        flip = torch.eye(3) - 2 * i[k] * torch.outer(v, v)
        hue = torch.linalg.matrix_exp(theta[k] * axis)
        saturation = torch.outer(v, v) + s[k] * (torch.eye(3) - torch.outer(v, v))
        expected = saturation @ hue @ flip @ (c[k] * (given.flatten(1) + b[k]))
        torch.testing.assert_close(picture.flatten(1), expected, atol=1e-4, rtol=1e-4)


def test_a_grey_image_becomes_brighter_and_then_richer_in_contrast():
    content, stream = images(6, 1, 4), rng(5)
    out = only(1, brightness=0.2, contrast=0.5)(content, rng(5))
    drawn = []
    for deviation in (0.2, 0.5):
        drawn.append(torch.randn(6, generator=stream) * deviation)
        torch.rand(6, generator=stream)  # whether it is due: it is
    b, c = (each.view(6, 1, 1, 1) for each in drawn)
    torch.testing.assert_close(out, 2**c * (content + b))


# Adaptive augmentation: the controller


def settle(augment: AdaptiveAugment, r: Callable[[float], float], updates: int = 4000) -> list[float]:
    """p while a discriminator answers p with the mean sign r(p)."""
    course = []
    for _ in range(updates):
        logged = augment.observe(r(augment.p.item()), 128)
        course.append(logged["augmentation_probability"].item())
    return course


def test_the_probability_settles_where_the_sign_meets_the_target():
    course = settle(AdaptiveAugment(spec(), adjustment_examples=100_000), lambda p: 0.9 - 0.6 * p)
    assert course[-1] == pytest.approx(0.5, abs=2 * 4 * 128 / 100_000)
    assert all(abs(p - 0.5) < 0.02 for p in course[1000:])


def test_the_probability_rises_at_the_stated_rate():
    course = settle(AdaptiveAugment(spec(), adjustment_examples=128_000), lambda p: 1.0, updates=400)
    assert course[-1] == pytest.approx(0.4, rel=1e-4)
    assert course[2] == 0 < course[3]  # every fourth update


def test_the_probability_stays_within_its_limits():
    assert set(settle(AdaptiveAugment(spec()), lambda p: 0.5, 100)) == {0.0}
    course = settle(AdaptiveAugment(spec(), adjustment_examples=10_000, max_probability=0.3), lambda p: 1.0, 200)
    assert course[-1] == pytest.approx(0.3) and max(course) <= 0.3 + 1e-6
    falling = settle(AdaptiveAugment(spec(), adjustment_examples=10_000, initial_probability=0.3), lambda p: 0.0, 200)
    assert falling[-1] == 0


def test_without_adjustment_the_probability_stays():
    augment = AdaptiveAugment(spec(), adjustment_examples=None, initial_probability=0.3)
    assert settle(augment, lambda p: 1.0, 20)[-1] == pytest.approx(0.3)


def test_r_t_is_the_mean_over_the_examples_since_the_last_change():
    augment = AdaptiveAugment(spec(), interval=2)
    augment.observe(torch.tensor(1.0), 10)
    assert augment.observe(torch.tensor(0.0), 30)["r_t"].item() == pytest.approx(0.25)
    assert augment.observe(-1.0, 10)["r_t"].item() == -1


def test_a_resumed_controller_goes_on_as_if_nothing_had_happened():
    signs = (torch.rand(50, generator=rng()) * 0.5 + 0.5).tolist()
    whole, first = AdaptiveAugment(spec(), adjustment_examples=1000), AdaptiveAugment(spec(), adjustment_examples=1000)
    for sign in signs[:22]:  # between two changes of p
        first.observe(sign, 10)
    resumed = AdaptiveAugment(spec(), adjustment_examples=1000)
    resumed.load_state_dict(copy.deepcopy(first.state_dict()))
    for sign in signs:
        expected = whole.observe(sign, 10)
    for sign in signs[22:]:
        logged = resumed.observe(sign, 10)
    assert all(logged[name].equal(expected[name]) for name in ("augmentation_probability", "r_t"))
    assert all(value.equal(whole.state_dict()[name]) for name, value in resumed.state_dict().items())
    assert 0 < resumed.p < 0.8


@pytest.mark.parametrize("beyond", [ZERO, REFLECTION])
@pytest.mark.parametrize("interpolation", [BILINEAR, NEAREST])
def test_sums_in_a_fixed_order_are_the_transpose_of_sampling(interpolation, beyond):
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(3, 2, 5, 7, generator=rng, dtype=torch.float64)
    grid = 4 * torch.rand(3, 5, 7, 2, generator=rng, dtype=torch.float64) - 2  # also far beyond the border
    back = torch.ops.aten.grid_sampler_2d_backward
    expected = back(values, torch.zeros_like(values), grid, interpolation, beyond, False, [True, False])[0]
    torch.testing.assert_close(spread(values, grid, interpolation, beyond), expected, rtol=1e-12, atol=1e-12)
