"""Heads, conditioning, attention, spectral normalisation: the parts that networks are put together from."""

from functools import partial

import pytest
import torch
from torch import nn

from genloom.batch import NOTHING, Given
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.errors import ConfigError
from genloom.networks.autoencoder.residual import ResidualDiscriminator
from genloom.networks.conditioning import Concatenation, ConditionalBatchNorm, Modulated
from genloom.networks.dense import DenseDiscriminator, DenseGenerator
from genloom.networks.gan.attention import SelfAttention
from genloom.networks.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from genloom.networks.gan.resnet import ResNetDiscriminator, ResNetGenerator
from genloom.networks.gan.spectral import normalise_spectrally
from genloom.networks.heads import Classifier, Codes, Projection, Score
from genloom.networks.heads import Concatenation as ConcatenationHead
from genloom.spec import Spec

LABELLED = Spec("any", ImageContent(1, 16, 16), {"label": LabelContent(("a", "b", "c"))})
UNLABELLED = Spec("any", ImageContent(1, 16, 16))
LABELS = Given(label=torch.tensor([0, 1, 2, 0]))
OTHERS = Given(label=torch.tensor([1, 2, 0, 1]))
GENERATORS = [
    partial(DCGANGenerator, width=4),
    partial(DenseGenerator, widths=(8, 16)),
    partial(ResNetGenerator, width=4),
    partial(ResNetGenerator, width=4, attention_size=8),
]
DISCRIMINATORS = [
    partial(DCGANDiscriminator, width=4),
    partial(DenseDiscriminator, widths=(8,)),
    partial(ResidualDiscriminator, width=4, hidden=8),
    partial(ResNetDiscriminator, width=8),
    partial(ResNetDiscriminator, width=8, attention_size=8),
]
HEADS = [Score, ConcatenationHead, Projection, Classifier, partial(Codes, categories=4, continuous=1)]


@pytest.mark.parametrize("conditioning", [Concatenation, ConditionalBatchNorm])
@pytest.mark.parametrize("build", GENERATORS)
def test_every_generator_takes_every_conditioning(build, conditioning):
    torch.manual_seed(0)
    generator = build(LABELLED, 5, conditioning=conditioning)
    assert generator.conditions
    for norm in generator.modules():  # conditional layers start alike for all classes
        if isinstance(norm, Modulated):
            nn.init.normal_(norm.scale)
            nn.init.normal_(norm.shift)
    z = {"z": torch.randn(4, 5)}
    images = generator(z, LABELS)
    assert images.shape == (4, 1, 16, 16)
    assert not torch.allclose(images, generator(z, OTHERS))
    images.square().sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or {"query", "key", "value", "out"} & set(name.split(".")), (
            name
        )  # behind γ = 0


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("build", DISCRIMINATORS)
def test_every_discriminator_takes_every_head(build, head):
    torch.manual_seed(0)
    discriminator = build(LABELLED, head=head).eval()
    content = torch.randn(4, 1, 16, 16)
    critique = discriminator(content, LABELS)
    assert critique.score.shape == (4,)
    assert {name: value.shape[1] for name, value in critique.aux.items()} == discriminator.aux
    knows = not torch.allclose(critique.score, discriminator(content, OTHERS).score)
    assert knows == bool(discriminator.conditions)
    (critique.score.square().sum() + sum(value.square().sum() for value in critique.aux.values())).backward()
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or {"query", "key", "value", "out"} & set(name.split(".")), name  # γ = 0


def test_projection_against_the_formula():
    head = Projection(LABELLED, 6)
    features = torch.randn(4, 6)
    expected = features @ head.score.weight[0] + head.score.bias
    expected = expected + (head.told.embedders[0].vectors.weight[LABELS["label"]] * features).sum(1)
    torch.testing.assert_close(head(features, LABELS).score, expected)


@pytest.mark.parametrize("part", [ConcatenationHead, Projection, Classifier])
def test_heads_that_need_labels_refuse_data_without(part):
    with pytest.raises(ConfigError, match=r"head: .* needs labels, and data.name=any has none"):
        DenseDiscriminator(UNLABELLED, head=part)


@pytest.mark.parametrize("part", [Concatenation, ConditionalBatchNorm])
def test_conditioning_refuses_data_without_labels(part):
    with pytest.raises(ConfigError, match=r"conditioning: .* needs labels"):
        DenseGenerator(UNLABELLED, 3, conditioning=part)


@pytest.mark.parametrize(("spec", "conditional"), [(LABELLED, True), (UNLABELLED, False)])
def test_parts_that_require_no_classes_use_them_where_there_are_some(spec, conditional):
    torch.manual_seed(0)
    generator = DenseGenerator(spec, 3, widths=(8,), conditioning=partial(Concatenation, required=False))
    discriminator = DenseDiscriminator(spec, widths=(8,), head=partial(Projection, required=False))
    assert generator.conditions == discriminator.conditions == (("label",) if conditional else ())
    assert next(generator.parameters()).shape[1] == (6 if conditional else 3)
    given = LABELS if conditional else NOTHING
    images = generator({"z": torch.randn(4, 3)}, given)
    discriminator(images, given).score.sum().backward()
    for name, parameter in [*generator.named_parameters(), *discriminator.named_parameters()]:
        assert parameter.grad is not None, name  # nothing is built that nothing uses


def test_a_conditional_network_asked_without_a_class_says_so():
    with pytest.raises(ConfigError, match=r"given\.label: .* there is none; give one"):
        DenseGenerator(LABELLED, 3, conditioning=Concatenation)({"z": torch.randn(2, 3)})


def test_class_batch_norm_normalises_over_all_and_scales_by_class():
    layer = Modulated(nn.BatchNorm2d(2, affine=False), 3)
    with torch.no_grad():
        layer.scale.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))
        layer.shift.copy_(torch.tensor([[0.0, 0.0], [10.0, 10.0], [20.0, 20.0]]))
    x = torch.randn(3000, 2, 2, 2) * 5 + 7
    index = torch.arange(3000) % 3
    y = layer(x, torch.eye(3)[index])
    for label in range(3):
        assert y[index == label].mean().item() == pytest.approx(10 * label, abs=0.2)
        assert y[index == label].std().item() == pytest.approx(label + 1, rel=0.05)


def test_attention_starts_as_the_identity_and_then_sees_every_position():
    torch.manual_seed(0)
    layer = SelfAttention(8)
    x = torch.randn(1, 8, 4, 4, requires_grad=True)
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.gamma.fill_(1.0)
    (gradient,) = torch.autograd.grad(layer(x)[0, :, 0, 0].sum(), x)
    assert (gradient.abs().sum((0, 1)) > 0).float().mean() > 0.2  # far more than its own position


def test_attention_is_that_of_the_paper():
    """Equations 1 to 3 in double precision: s_ij = q_i·k_j without a scale, over keys at half the resolution."""
    torch.manual_seed(0)
    layer = SelfAttention(16).double()
    with torch.no_grad():
        layer.gamma.fill_(0.7)
    assert [each.weight.shape[0] for each in (layer.query, layer.key, layer.value, layer.out)] == [2, 2, 8, 16]
    x = torch.randn(2, 16, 5, 4, dtype=torch.float64)
    query, key, value, out = (each.weight[:, :, 0, 0] for each in (layer.query, layer.key, layer.value, layer.out))
    for image, made in zip(x, layer(x), strict=True):
        places = [(slice(i, i + 2), slice(j, j + 2)) for i in range(0, 5, 2) for j in range(0, 4, 2)]

        def pooled(weight: torch.Tensor, image=image, places=places) -> torch.Tensor:
            whole = torch.einsum("oc,chw->ohw", weight, image)
            return torch.stack([whole[:, rows, columns].amax((1, 2)) for rows, columns in places])

        scores = (query @ image.flatten(1)).T @ pooled(key).T
        attended = scores.exp() / scores.exp().sum(1, keepdim=True) @ pooled(value)
        torch.testing.assert_close(made, image + 0.7 * (out @ attended.T).view(16, 5, 4))


def test_a_joined_head_and_a_recognising_one_against_their_formulas():
    features = 3 * torch.randn(4, 6)
    leaky = lambda x: torch.where(x > 0, x, 0.2 * x)  # noqa: E731
    head = ConcatenationHead(LABELLED, 6)
    joined = torch.cat([features, head.told.embedders[0].vectors.weight[LABELS["label"]]], 1)
    hidden = leaky(joined @ head.hidden.weight.T + head.hidden.bias)
    torch.testing.assert_close(head(features, LABELS).score, hidden @ head.score.weight[0] + head.score.bias)
    codes = Codes(LABELLED, 6, categories=4, continuous=2)
    first, _, last = codes.recognise
    expected = leaky(features @ first.weight.T + first.bias) @ last.weight.T + last.bias
    critique = codes(features)
    torch.testing.assert_close(torch.cat([critique.aux["category"], critique.aux["continuous"]], 1), expected)
    assert Codes(LABELLED, 6, continuous=0).aux == {"category": 10}
    assert Projection(LABELLED, 400).told.embedders[0].vectors.weight.std().item() == pytest.approx(1 / 20, rel=0.1)


def test_a_class_is_told_beside_z_as_a_one_hot_vector():
    z = torch.randn(4, 5)
    conditioning = Concatenation(LABELLED)
    assert conditioning.extra_dim == 3
    assert torch.equal(conditioning.input(z, conditioning(LABELS)), torch.cat([z, torch.eye(3)[LABELS["label"]]], 1))
    free = Concatenation(UNLABELLED, required=False)
    assert not free.conditions and free.extra_dim == 0 and torch.equal(free.input(z, free(NOTHING)), z)


def test_attention_at_a_size_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"model.generator.attention_size: 7 .* they are 8, 16 pixels"):
        ResNetGenerator(UNLABELLED, 3, width=4, attention_size=7)
    with pytest.raises(ConfigError, match=r"model.discriminator.attention_size: 7"):
        ResNetDiscriminator(UNLABELLED, width=4, attention_size=7)


@pytest.mark.parametrize("build", DISCRIMINATORS)
def test_spectral_normalisation_against_the_singular_values(build):
    torch.manual_seed(0)
    network = build(LABELLED, head=Projection)
    plain = {name: value.detach().clone() for name, value in network.named_parameters() if value.ndim > 1}
    normalise_spectrally(network)
    content = torch.randn(4, 1, 16, 16)
    for _ in range(200):  # one power iteration each
        network(content, LABELS)
    network.eval()
    checked = 0
    for name, weight in plain.items():
        module = network.get_submodule(name.rpartition(".")[0])
        if isinstance(module, nn.BatchNorm2d):
            continue
        largest = torch.linalg.svdvals(weight.flatten(1))[0]
        torch.testing.assert_close(module.weight, weight / largest, rtol=2e-2, atol=2e-4)
        checked += 1
    assert checked == len(plain)


def test_spectral_normalisation_of_a_transposed_convolution_uses_its_output_axis():
    generator = DCGANGenerator(UNLABELLED, 5, width=4)
    weight = generator.layers[0].weight.detach().clone()
    normalise_spectrally(generator)
    for _ in range(200):
        generator({"z": torch.randn(2, 5)})
    largest = torch.linalg.svdvals(weight.transpose(0, 1).flatten(1))[0]
    torch.testing.assert_close(generator.eval().layers[0].weight, weight / largest, rtol=1e-2, atol=1e-4)
