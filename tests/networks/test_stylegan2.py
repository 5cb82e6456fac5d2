from functools import partial
from math import sqrt
from typing import Any

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genloom.batch import NOTHING, Given
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.contents.vector import VectorContent
from genloom.errors import ConfigError
from genloom.networks.base import Pyramid
from genloom.networks.gan.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator, _Halving, _ToImage
from genloom.networks.gan.stylegan2_layers import (
    Blur,
    Downsample,
    EqualConv2d,
    EqualLinear,
    MinibatchDeviation,
    ModulatedConv2d,
    Upsample,
    normalise,
)
from genloom.networks.heads import Projection
from genloom.spec import Spec

SHAPES = [
    (1, 28, 28),
    (1, 32, 32),
    (3, 48, 48),
    (3, 64, 64),
    (1, 96, 96),
    (3, 50, 50),
    (3, 32, 48),
    (1, 8, 8),
    (1, 5, 5),
]
LATENT = 7
generator = partial(StyleGAN2Generator, width=4, max_width=8, w_dim=6)
discriminator = partial(StyleGAN2Discriminator, width=4, max_width=8)


def spec(shape: tuple[int, int, int] = (1, 16, 16), labelled: bool = False) -> Spec:
    return Spec("any", ImageContent(*shape), {"label": LabelContent(("a", "b", "c"))} if labelled else {})


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(num: int, seed: int = 1) -> dict[str, Tensor]:
    return {"z": torch.randn(num, LATENT, generator=rng(seed))}


def built(build: Any, *arguments: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return build(*arguments, **options)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# Shapes


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_of_any_size_are_made_and_judged(shape):
    network = generator(spec(shape), LATENT)
    embedded = network.embed(drawn(3), NOTHING, rng())
    pyramid = Pyramid(*shape[1:])
    assert embedded["w"].shape == (3, 2 * pyramid.doublings + 2, 6)
    assert embedded.keys() >= network.latent_names
    assert all(len(value) == 3 for value in embedded.values())
    images = network(embedded)
    assert images.shape == (3, *shape)
    judge = discriminator(spec(shape))
    assert judge(images).score.shape == (3,)
    assert judge.features(images).shape == (3, 8)


def test_shapes_are_checked():
    with pytest.raises(jaxtyping.TypeCheckError):
        ModulatedConv2d(4, 5)(torch.randn(2, 4, 8, 8), torch.randn(3, 4))
    network = generator(spec(), LATENT)
    embedded = network.embed(drawn(3), NOTHING, None)
    with pytest.raises(jaxtyping.TypeCheckError):
        network({**embedded, "noise_4x4": embedded["noise_4x4"][:2]})


def test_channels_stay_last():
    network = generator(spec((3, 16, 16)), LATENT).to(memory_format=torch.channels_last)
    judge = discriminator(spec((1, 16, 16))).to(memory_format=torch.channels_last)
    seen = []

    def remember(module: Any, inputs: Any, output: Any) -> None:
        seen.append(output[0].is_contiguous(memory_format=torch.channels_last))

    for part in network.resolutions:
        part.register_forward_hook(remember)
    for part in judge.blocks:
        part.register_forward_hook(lambda *args: remember(*args[:2], (args[2],)))
    network(network.embed(drawn(3), NOTHING, None))
    judge(torch.randn(3, 1, 16, 16))
    assert seen == [True] * 5


# Layers


@pytest.mark.parametrize("up", [False, True])
def test_modulated_convolution_equals_that_with_a_weight_per_example(up):
    torch.manual_seed(0)
    layer, x, style = ModulatedConv2d(6, 5, up=up), torch.randn(3, 6, 8, 8), torch.randn(3, 6)
    assert layer.gain == pytest.approx(1 / sqrt(6 * 9))  # He's constant
    weight = layer.weight[None] * layer.gain * style[:, None, :, None, None]
    weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    merged = x.reshape(1, 18, 8, 8)
    if up:
        grouped = F.conv_transpose2d(merged, weight.transpose(1, 2).reshape(18, 5, 3, 3), stride=2, groups=3)
        taps = torch.tensor([1.0, 3, 3, 1]) / 4
        blurred = F.conv2d(grouped.reshape(15, 1, 17, 17), (taps[:, None] * taps)[None, None], padding=1)
        explicit = blurred.reshape(3, 5, 16, 16)
    else:
        explicit = F.conv2d(merged, weight.reshape(15, 6, 3, 3), padding=1, groups=3).reshape(3, 5, 8, 8)
    torch.testing.assert_close(layer(x, style), explicit, atol=1e-5, rtol=1e-5)


def test_demodulated_output_has_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    style = torch.randn(4, 32) * torch.tensor([0.01, 1.0, 3.0, 100.0])[:, None]
    output = ModulatedConv2d(32, 64)(torch.randn(4, 32, 34, 34), style)[..., 1:-1, 1:-1]  # without the border's zeros
    torch.testing.assert_close(output.var((1, 2, 3)), torch.ones(4), atol=0.1, rtol=0)


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_equalised_linear_layer_keeps_the_variance_and_scales_the_rate(multiplier):
    torch.manual_seed(0)
    layer = EqualLinear(200, 300, lr_multiplier=multiplier, bias=0.5)
    assert layer.weight.std().item() * multiplier == pytest.approx(1, rel=0.02)
    before = layer(torch.zeros(1, 200)), layer.matrix.clone()
    assert layer(torch.randn(100, 200)).var().item() == pytest.approx(1, rel=0.05)
    torch.testing.assert_close(before[0], torch.full((1, 300), 0.5))
    with torch.no_grad():
        layer.weight += 1
        layer.bias += 1
    torch.testing.assert_close(layer.matrix - before[1], torch.full((300, 200), multiplier / sqrt(200)))
    torch.testing.assert_close(layer(torch.zeros(1, 200)) - before[0], torch.full((1, 300), multiplier))


def test_equalised_convolution_has_unit_weights_and_keeps_the_variance():
    torch.manual_seed(0)
    layer = EqualConv2d(40, 50, gain=2.0)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.02)
    assert layer(torch.randn(8, 40, 16, 16)).var().item() == pytest.approx(4, rel=0.1)


def test_the_bias_of_a_layer_grows_with_its_gain_and_is_left_out_where_it_is_not_wanted():
    layer, x = EqualConv2d(2, 3, gain=2.0), torch.randn(1, 2, 4, 4)
    before = layer(x)
    with torch.no_grad():
        layer.bias += 1
    torch.testing.assert_close(layer(x) - before, torch.full_like(before, 2.0))
    assert [name for name, _ in EqualConv2d(2, 3, bias=False).named_parameters()] == ["weight"]


def test_a_block_of_the_discriminator_is_its_equations():
    """Karras et al., 2020, figure 7 and the authors' code: (√2 lrelu(w₂ ↓ √2 lrelu(w₁ x)) + w₃ ↓ x) / √2."""
    torch.manual_seed(0)
    block, x = _Halving(4, 6), torch.randn(2, 4, 8, 8)
    taps = torch.tensor([1.0, 3, 3, 1]) / 8
    filter = (taps[:, None] * taps).expand(4, 1, 4, 4)

    def convolved(layer: EqualConv2d, x: Tensor, **options: Any) -> Tensor:
        return F.conv2d(x, layer.weight / sqrt(layer.weight[0].numel()), layer.bias, **options)

    h = sqrt(2) * F.leaky_relu(convolved(block.first, x, padding=1), 0.2)
    h = convolved(block.second, F.conv2d(h, filter, padding=2, groups=4), stride=2)
    skip = convolved(block.skip, F.conv2d(x, filter, padding=1, stride=2, groups=4))
    expected = (sqrt(2) * F.leaky_relu(h, 0.2) + skip) / sqrt(2)
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)
    assert block.skip.bias is None


def test_a_latent_is_normalised_to_a_mean_square_of_1():
    x = 3 * torch.randn(5, 7)
    torch.testing.assert_close(normalise(x), F.rms_norm(x, (7,)), atol=1e-5, rtol=1e-5)


def test_nothing_divided_by_its_size_is_nothing():
    assert not normalise(torch.zeros(2, 3)).any()
    layer = ModulatedConv2d(2, 3)
    assert not layer(torch.randn(1, 2, 4, 4), torch.zeros(1, 2)).any()
    alike = torch.ones(4, 2, 3, 3, requires_grad=True)
    MinibatchDeviation(4)(alike).sum().backward()
    assert alike.grad is not None and not alike.grad.any()


def test_filters_keep_a_constant_image_constant():
    assert Blur(2).kernel.sum((1, 2, 3)).tolist() == [1, 1]
    torch.testing.assert_close(Blur(1).kernel[0, 0, 1], torch.tensor([1.0, 3, 3, 1]) * 3 / 64)
    constant = torch.full((2, 3, 6, 8), 0.7)
    torch.testing.assert_close(Upsample(3)(constant), torch.full((2, 3, 12, 16), 0.7))
    halved = Downsample(3)(constant)
    assert halved.shape == (2, 3, 3, 4)
    torch.testing.assert_close(halved[..., 1:-1, 1:-1], torch.full((2, 3, 1, 2), 0.7))  # beyond the border are zeros
    blurred = Blur(3, padding=2)(constant)
    assert blurred.shape == (2, 3, 7, 9)
    torch.testing.assert_close(blurred[..., 2:-2, 2:-2], torch.full((2, 3, 3, 5), 0.7))


def test_upsampling_is_bilinear():
    image = torch.randn(2, 3, 5, 7)
    torch.testing.assert_close(Upsample(3)(image), F.interpolate(image, scale_factor=2, mode="bilinear"))


@pytest.mark.parametrize("layer", [Blur(2, padding=2), Upsample(2), Downsample(2)], ids=["blur", "up", "down"])
def test_filters_have_both_derivatives(layer):
    x = torch.randn(2, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x, fast_mode=True)
    assert torch.autograd.gradgradcheck(layer, x, fast_mode=True)


# Minibatch deviation


def test_deviation_of_alike_is_nothing_and_of_different_is_theirs():
    one = torch.randn(1, 3, 4, 4)
    assert MinibatchDeviation(4)(one.repeat(8, 1, 1, 1)).abs().max() < 2e-4
    assert MinibatchDeviation(4)(one).abs().max() < 2e-4
    torch.manual_seed(0)
    values = torch.randn(8, 64, 16, 16)
    expected = values.view(2, 4, 64, 16, 16).std(1, correction=0).mean((1, 2, 3)).repeat_interleave(4)
    deviation = MinibatchDeviation(4)(values)
    assert deviation.shape == (8, 1, 16, 16)
    torch.testing.assert_close(deviation[:, 0, 3, 5], expected)


@pytest.mark.parametrize("batch", range(1, 12))
def test_each_group_is_of_as_many_different_examples(batch):
    seen = torch.eye(batch)[:, :, None, None].double().requires_grad_()
    deviation = MinibatchDeviation(4)(seen)[:, 0, 0, 0]
    for example in range(batch):
        (gradient,) = torch.autograd.grad(deviation[example], seen, retain_graph=True)
        members = gradient.flatten(1).abs().sum(1) > 1e-12
        assert members.sum() == (min(4, batch) if batch > 1 else 0)
        assert members[example] or batch == 1


def test_the_deviation_is_one_more_channel_of_the_last_convolution():
    torch.manual_seed(0)
    judge, images = discriminator(spec()), torch.randn(6, 1, 16, 16)
    h = sqrt(2) * F.leaky_relu(judge.from_image.matrix / sqrt(2) @ images.flatten(2) + 0, 0.2)
    h = judge.blocks(h.unflatten(2, (16, 16)))
    every = torch.cat([h, MinibatchDeviation(4)(h)], dim=1)
    weight = torch.cat([judge.conv.weight, judge.deviation[1].weight], dim=1) / sqrt(9 * h.shape[1])
    h = sqrt(2) * F.leaky_relu(F.conv2d(every, weight, judge.conv.bias, padding=1), 0.2)
    dense = judge.dense
    expected = sqrt(2) * F.leaky_relu(h.flatten(1) @ dense.weight.T / sqrt(dense.weight.shape[1]) + dense.bias, 0.2)
    torch.testing.assert_close(judge.features(images), expected, atol=1e-5, rtol=1e-4)


def test_maps_are_twice_as_wide_at_each_coarser_one_up_to_the_limit():
    judge = StyleGAN2Discriminator(spec((1, 64, 64)), width=4, max_width=20)
    assert [block.first.weight.shape[0] for block in judge.blocks] == [4, 8, 16, 20]
    assert judge.conv.weight.shape[:2] == (20, 20) and judge.from_image.weight.shape == (4, 1)
    network = StyleGAN2Generator(spec((1, 64, 64)), LATENT, width=4, max_width=20)
    assert network.constant.shape == (1, 20, 4, 4)


def test_images_of_other_sizes_get_an_even_border_of_grey():
    torch.manual_seed(0)
    judge, images = discriminator(spec((1, 50, 37))), torch.randn(4, 1, 50, 37)
    rows, columns = (full - side for full, side in zip(judge.full_size, (50, 37), strict=True))
    assert (rows, columns) == (6, 3)
    sheet = torch.zeros(4, 1, *judge.full_size)
    sheet[:, :, rows // 2 : rows // 2 + 50, columns // 2 : columns // 2 + 37] = images
    torch.testing.assert_close(judge.features(images), judge.features(sheet))


def test_scores_without_a_group_depend_on_their_own_example_only():
    torch.manual_seed(0)
    images = torch.randn(6, 1, 16, 16)
    for group, alone in ((1, True), (4, False)):
        judge = discriminator(spec(), mbstd_group=group)
        assert torch.allclose(judge(images).score[:3], judge(images[:3]).score, atol=1e-6) is alone


# Gradients


def test_gradient_reaches_every_parameter_of_a_generator_that_is_told_nothing():
    network = built(generator, spec(), LATENT)
    network(network.embed(drawn(3), NOTHING, rng()), NOTHING).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_the_gradient_by_w_is_differentiable_again_for_path_lengths():
    network = built(generator, spec(), LATENT)
    embedded = network.embed(drawn(4), NOTHING, rng())
    half = {name: value[:2].detach() for name, value in embedded.items()} | {"w": embedded["w"][:2]}
    images = network(half)
    (gradient,) = torch.autograd.grad((images * torch.randn_like(images)).sum(), half["w"], create_graph=True)
    (gradient.square().sum(2).mean(1).sqrt() - 1).square().mean().backward()
    grads = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert all(grad.isfinite().all() for grad in grads.values() if grad is not None)
    reached = {name for name, grad in grads.items() if grad is not None and grad.abs().sum() > 0}
    assert reached >= {name for name in grads if name.endswith(("weight", "constant"))}


def test_second_derivatives_are_right():
    network = built(partial(generator, width=2, w_dim=3), spec((1, 8, 8)), LATENT).double()
    embedded = network.embed({"z": drawn(2)["z"].double()}, NOTHING, rng())
    w = embedded["w"].detach().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda w: network({**embedded, "w": w}), w, fast_mode=True)
    judge = built(partial(discriminator, width=2, max_width=2), spec((1, 4, 4))).double()
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: judge(x).score, x, fast_mode=True)


# From z to styles


def test_embedding_is_random_by_the_generator_only():
    network = generator(spec(), LATENT).eval()
    assert same(network.embed(drawn(4), NOTHING, None), network.embed(drawn(4), NOTHING, None))
    assert same(network.embed(drawn(4), NOTHING, rng(5)), network.embed(drawn(4), NOTHING, rng(5)))
    one, other = network.embed(drawn(4), NOTHING, rng(5)), network.embed(drawn(4), NOTHING, rng(6))
    assert all(not torch.equal(one[name], other[name]) for name in network.latent_names)
    state = torch.get_rng_state()
    network(network.embed(drawn(4), NOTHING, rng(5)))
    assert torch.equal(torch.get_rng_state(), state)


def test_decoding_does_not_depend_on_the_rest_of_the_batch():
    network = generator(spec(), LATENT).eval()
    embedded = network.embed(drawn(5), NOTHING, None)
    images = network({name: value[1:3] for name, value in embedded.items()})
    torch.testing.assert_close(images, network(embedded)[1:3], atol=1e-5, rtol=1e-5)


def test_an_embedded_latent_stays_and_missing_noise_is_added():
    network = generator(spec(), LATENT)
    embedded = network.embed(drawn(3) | {"category": torch.arange(3)}, NOTHING, rng())
    assert embedded["category"].tolist() == [0, 1, 2]
    assert same(network.embed(embedded, NOTHING, rng(9)), embedded)
    given = {"w": embedded["w"], "noise_8x8": embedded["noise_8x8"]}
    completed = network.embed(given, NOTHING, None)
    assert completed.keys() == network.latent_names
    assert all(torch.equal(completed[name], given[name]) for name in given)
    torch.testing.assert_close(completed["noise_4x4"][2], network.get_buffer("noise_4x4")[0])


def test_mixing_takes_the_finer_layers_from_another_latent():
    network = generator(spec(), LATENT, mixing_probability=1.0)
    own = network.embed(drawn(64), NOTHING, None)["w"]
    mixed = network.embed(drawn(64), NOTHING, rng())["w"]
    assert (own == own[:, :1]).all()
    kept = (mixed == own).all(2)
    assert kept[:, 0].all()
    assert not kept[:, -1].any()
    assert (kept[:, :-1] >= kept[:, 1:]).all()  # one crossover
    assert len(set(kept.sum(1).tolist())) == network.num_styles - 1  # anywhere
    other = mixed[:, -1:].expand_as(mixed)
    torch.testing.assert_close(torch.where(kept[..., None], other, mixed), other)
    unmixed = generator(spec(), LATENT, mixing_probability=0.0).embed(drawn(4), NOTHING, rng())["w"]
    assert (unmixed == unmixed[:, :1]).all()
    half = generator(spec(), LATENT, mixing_probability=0.5).embed(drawn(1000), NOTHING, rng())["w"]
    assert (half[:, 0] != half[:, -1]).any(1).float().mean().item() == pytest.approx(0.5, abs=0.06)


def test_the_length_of_z_does_not_matter():
    network = generator(spec(), LATENT)
    longer = {"z": 3 * drawn(4)["z"]}
    torch.testing.assert_close(network.embed(drawn(4), NOTHING, None)["w"], network.embed(longer, NOTHING, None)["w"])


def test_styles_begin_around_1_so_that_a_layer_begins_as_an_ordinary_one():
    """Karras et al., 2019 and 2020: biases of the maps from w to scales are initialised to one."""
    styles = [part for name, part in generator(spec(), LATENT).named_modules() if name.endswith(".style")]
    assert len(styles) > 3 and all((style(torch.zeros(1, 6)) == 1).all() for style in styles)


def test_noise_matters_as_much_as_its_strength():
    network = generator(spec(), LATENT)
    embedded = network.embed(drawn(3), NOTHING, None)
    noisy = embedded | {"noise_16x16": embedded["noise_16x16"] + 1}
    assert torch.equal(network(embedded), network(noisy))
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.5)
    assert not torch.allclose(network(embedded), network(noisy))


# The mean, truncation, directions


def test_mean_of_w_is_of_all_examples_at_first_and_fades_later():
    network = generator(spec(), LATENT, w_mean_half_life_examples=100)
    first, second = (
        network.embed(drawn(8, 1), NOTHING, None)["w"][:, 0],
        network.embed(drawn(4, 2), NOTHING, None)["w"][:, 0],
    )
    network.embed(drawn(8, 1), NOTHING, rng())
    network.embed(drawn(4, 2), NOTHING, rng())
    torch.testing.assert_close(network.w_mean, torch.cat([first, second]).mean(0).detach())
    assert network.w_examples == 12
    network.w_examples.fill_(10**9)
    before = network.w_mean.clone()
    network.embed(drawn(100, 3), NOTHING, rng())
    third = network.embed(drawn(100, 3), NOTHING, None)["w"][:, 0].mean(0).detach()
    torch.testing.assert_close(network.w_mean, (before + third) / 2)


def test_mean_of_w_moves_in_training_only():
    network = generator(spec(), LATENT)
    network.embed(drawn(4), NOTHING, None)
    network.eval().embed(drawn(4), NOTHING, rng())
    assert network.w_mean.abs().sum() == 0
    assert not network.w_mean.requires_grad


def test_truncation_moves_to_the_mean():
    network = generator(spec(), LATENT)
    embedded = network.embed(drawn(4), NOTHING, rng())
    assert torch.equal(network.truncate(embedded, 0.0)["w"], network.w_mean.expand(4, network.num_styles, -1))
    assert same(network.truncate(embedded, 1.0), embedded)
    middle = network.truncate(embedded, 0.5)["w"]
    torch.testing.assert_close(middle, (embedded["w"] + network.w_mean) / 2)


def test_latent_projection_stacks_the_style_maps_of_all_layers():
    network = generator(spec(), LATENT)
    name, matrix = network.latent_projection()
    assert name == "w"
    assert not matrix.requires_grad
    assert matrix.shape == (8 + 8 + 8 + 8 + 8 + 8 + 4 + 4, 6)  # at 4, 8 and 16 pixels
    w = torch.randn(1, 6)
    style = network.resolutions[0].layers[0].style
    torch.testing.assert_close(style(w) - style(torch.zeros(1, 6)), w @ matrix[:8].T)


def test_buffers_survive_a_checkpoint():
    network = generator(spec(), LATENT)
    network.embed(drawn(4), NOTHING, rng())
    state = {name: value.clone() for name, value in network.state_dict().items()}
    assert {"w_mean", "w_examples", "noise_4x4", "noise_8x8", "noise_16x16"} <= state.keys()
    other = generator(spec(), LATENT)
    assert torch.equal(other.noise_16x16, network.noise_16x16)  # seeded
    other.noise_16x16.zero_()
    other.load_state_dict(state)
    assert same(other.embed(drawn(4), NOTHING, None), network.embed(drawn(4), NOTHING, None))
    assert torch.equal(other.w_mean, network.w_mean)
    assert not network.load_state_dict(state).missing_keys


# Classes


def test_a_conditional_generator_makes_another_w_for_another_class():
    network = generator(spec(labelled=True), LATENT, conditional=True)
    assert network.conditions
    z = {"z": drawn(1)["z"].expand(3, -1)}
    w = network.embed(z, Given(label=torch.tensor([0, 1, 1])), None)["w"][:, 0]
    assert not torch.allclose(w[0], w[1])
    torch.testing.assert_close(w[1], w[2])
    with pytest.raises(ConfigError, match=r"given\.label"):
        network.embed(z, NOTHING, None)
    assert not generator(spec(labelled=True), LATENT).conditions


def test_a_head_can_use_the_class():
    judge = discriminator(spec(labelled=True), head=Projection)
    images = torch.randn(1, 1, 16, 16).expand(2, -1, -1, -1)
    assert judge.conditions
    scores = judge(images, Given(label=torch.tensor([0, 1]))).score
    assert scores[0] != scores[1]


def test_layers_from_the_input_are_all_but_the_head():
    judge = discriminator(spec())
    layers = judge.layers_from_input()
    assert len(layers) == 1 + 2 + 1 + 1
    for layer in layers:
        layer.requires_grad_(False)
    assert {name.split(".")[0] for name, parameter in judge.named_parameters() if parameter.requires_grad} == {"head"}


# Precision and mistakes


def test_mixed_precision_keeps_styles_and_images_precise():
    network, judge = generator(spec(), LATENT), discriminator(spec())
    with torch.autocast("cpu", torch.bfloat16):
        embedded = network.embed(drawn(4), NOTHING, rng())
        images = network(embedded)
        score = judge(images).score
    assert embedded["w"].dtype == images.dtype == torch.float32
    torch.testing.assert_close(images, network(embedded), atol=0.1, rtol=0.1)
    (images.square().mean() + score.float().mean()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (generator, {"conditional": True}, "conditional: true needs labels"),
        (generator, {"width": 0}, "model.generator.width: 0 is below the limit of 1"),
        (generator, {"mapping_layers": 0}, "model.generator.mapping_layers"),
        (generator, {"mixing_probability": 1.5}, "model.generator.mixing_probability: 1.5"),
        (generator, {"mapping_lr_multiplier": 0.0}, "model.generator.mapping_lr_multiplier"),
        (discriminator, {"mbstd_group": 0}, "model.discriminator.mbstd_group"),
    ],
)
def test_mistakes_are_named(build, options, message):
    latent = (LATENT,) if build is generator else ()
    with pytest.raises(ConfigError, match=message):
        build(spec(), *latent, **options)
    with pytest.raises(ConfigError, match=r"made for pictures, and data\.name=ring holds points"):
        build(Spec("ring", VectorContent(2)), *latent)


def test_the_last_convolution_starts_standard_normal_too():
    layer = _ToImage(64, 32, 5)
    assert layer.weight.mean().item() == pytest.approx(0, abs=0.1)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.05)
