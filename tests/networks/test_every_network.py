"""What holds of every network: shapes, gradients, repeatability, copies. A new class needs its case."""

import copy
from collections.abc import Callable, Mapping
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import genloom.networks
from discovery import classes, missing
from genloom.batch import Given, History
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.contents.series import HistoryCondition, SeriesContent
from genloom.contents.text import PromptCondition, TextContent
from genloom.contents.vocabulary import Characters
from genloom.networks.autoencoder.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from genloom.networks.autoencoder.residual import ResidualDiscriminator
from genloom.networks.base import Critique, Decoder, Discriminator, Encoder, Generator, Head
from genloom.networks.baselines.closed_form import RepeatLast, Ridge, SeasonalNaive, SeriesBaseline
from genloom.networks.baselines.ngram import NGram
from genloom.networks.conditioning import Concatenation as Concatenated
from genloom.networks.conditioning import ConditionalBatchNorm, Conditioning, Layers
from genloom.networks.dense import DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator
from genloom.networks.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from genloom.networks.gan.resnet import ResNetDiscriminator, ResNetGenerator
from genloom.networks.gan.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from genloom.networks.heads import Classifier, Codes, Concatenation, Projection, Score
from genloom.networks.sequence.base import Backbone, ClosedFormNetwork, SeriesNetwork, TextNetwork
from genloom.networks.sequence.forecasting import Forecaster, LastValue, Linear, Patches
from genloom.networks.sequence.language import Language
from genloom.networks.sequence.periodic import Periodic
from genloom.networks.sequence.recurrent import GRU, LSTM, RNN, Recurrent
from genloom.networks.sequence.transformer import Transformer
from genloom.spec import Spec

LATENT_DIM, NUM = 5, 4
SIZES = [(1, 16, 16), (3, 20, 28)]
GIVEN = Given(label=torch.tensor([0, 2, 1, 2]))
LETTERS = Characters("\nabcd")
TEXT = Spec("text", TextContent(6, LETTERS), {"prompt": PromptCondition(LETTERS)})
SERIES = Spec("series", SeriesContent(5, ("x", "y"), season=4), {"history": HistoryCondition(look_back=12)})


class Conditioned(nn.Module):
    """What a network makes of a conditioning: one layer and its normalisation, both told."""

    def __init__(self, kind: type[Conditioning]) -> None:
        super().__init__()
        self.conditioning = kind(spec_of(SIZES[0]))
        norm = self.conditioning.norm(8, nn.BatchNorm1d)
        self.layers = Layers(nn.Linear(LATENT_DIM + self.conditioning.extra_dim, 8), norm)
        for parameter in norm.parameters():
            nn.init.normal_(parameter)  # those that tell are zero at first

    def forward(self, z: Tensor, given: Given) -> Tensor:
        told = self.conditioning(given)
        return self.layers(self.conditioning.input(z, told), told)


#: By the base, each class with what makes it small; None for one that is only a base.
CASES: dict[type, Mapping[type, Callable | None]] = {
    Generator: {
        DCGANGenerator: partial(DCGANGenerator, width=4),
        DenseGenerator: partial(DenseGenerator, widths=(8, 16)),
        ResNetGenerator: partial(ResNetGenerator, width=4, max_width=8),
        StyleGAN2Generator: partial(StyleGAN2Generator, width=4, max_width=8, w_dim=6, conditional=True),
    },
    Discriminator: {
        DCGANDiscriminator: partial(DCGANDiscriminator, width=4),
        DenseDiscriminator: partial(DenseDiscriminator, widths=(8,)),
        ResNetDiscriminator: partial(ResNetDiscriminator, width=4),
        ResidualDiscriminator: partial(ResidualDiscriminator, width=4, hidden=8),
        StyleGAN2Discriminator: partial(StyleGAN2Discriminator, width=4, max_width=8),
    },
    Encoder: {
        ConvolutionalEncoder: partial(ConvolutionalEncoder, width=4, hidden=8),
        DenseEncoder: partial(DenseEncoder, widths=(8,)),
    },
    Decoder: {
        ConvolutionalDecoder: partial(ConvolutionalDecoder, width=4, hidden=8),
        DenseDecoder: partial(DenseDecoder, widths=(8,)),
    },
    Head: {
        Classifier: Classifier,
        Codes: partial(Codes, categories=3, continuous=2, hidden=4),
        Concatenation: partial(Concatenation, hidden=8, embedding_dim=4),
        Projection: Projection,
        Score: Score,
    },
    Conditioning: {
        Concatenated: partial(Conditioned, Concatenated),
        ConditionalBatchNorm: partial(Conditioned, ConditionalBatchNorm),
    },
    TextNetwork: {
        Language: partial(Language, outputs=LETTERS.size, backbone=partial(LSTM, width=8)),
        NGram: partial(NGram, outputs=LETTERS.size, order=2),
    },
    SeriesNetwork: {
        Forecaster: None,
        Linear: partial(Linear, outputs=2, normalise=LastValue()),
        Patches: partial(
            Patches, outputs=2, normalise=LastValue(), patch_length=4, stride=3, backbone=partial(GRU, width=8)
        ),
        Periodic: partial(Periodic, outputs=2, normalise=LastValue()),
        RepeatLast: partial(RepeatLast, outputs=2),
        Ridge: partial(Ridge, outputs=2),
        SeasonalNaive: partial(SeasonalNaive, outputs=2),
        SeriesBaseline: None,
    },
    Backbone: {
        GRU: partial(GRU, width=8),
        LSTM: partial(LSTM, width=8, layer_norm=True),
        RNN: partial(RNN, width=8, layers=2),
        Recurrent: None,
        Transformer: partial(Transformer, width=8, layers=2, heads=2, context=16),
    },
}
ALL = [(base, kind) for base, cases in CASES.items() for kind, build in cases.items() if build is not None]
#: Those whose parameters are not solved for.
LEARNED = [(base, kind) for base, kind in ALL if not issubclass(kind, ClosedFormNetwork)]
BY_NAME = [f"{base.__name__}-{kind.__name__}" for base, kind in ALL]


def spec_of(shape: tuple[int, int, int]) -> Spec:
    return Spec("any", ImageContent(*shape), {"label": LabelContent(("a", "b", "c"))})


def case(base: type, kind: type, shape: tuple[int, int, int] = SIZES[0]) -> tuple[nn.Module, tuple, tuple[int, ...]]:
    """Return a network, what it is called with, and the shape that it returns."""
    torch.manual_seed(0)
    spec, build = spec_of(shape), CASES[base][kind]
    assert build is not None
    if base is Generator:
        return build(spec, LATENT_DIM), ({"z": torch.randn(NUM, LATENT_DIM)}, GIVEN), (NUM, *shape)
    if base is Discriminator:
        return build(spec), (torch.randn(NUM, *shape), GIVEN), (NUM,)
    if base is Encoder:
        network = build(spec)
        return network, (torch.randn(NUM, *shape),), (NUM, network.num_features)
    if base is Decoder:
        return build(spec, LATENT_DIM, 2), (torch.randn(NUM, LATENT_DIM),), (NUM, 2, *shape)
    if base is Head:
        return build(spec, 8), (torch.randn(NUM, 8), GIVEN), (NUM,)
    if base is Conditioning:
        return build(), (torch.randn(NUM, LATENT_DIM), GIVEN), (NUM, 8)
    if base is TextNetwork:
        prompt, content = torch.randint(LETTERS.size, (NUM, 9)).split((3, 6), dim=1)
        return build(TEXT), (prompt, content), (NUM, 6, LETTERS.size)
    if base is SeriesNetwork:
        one = torch.ones(NUM, 2)
        history = History(torch.randn(NUM, 12, 2), scale=one, offset=one, naive_error=one)
        return build(SERIES), (history,), (NUM, 5, 2, 2)
    network = build()
    return network, (torch.randn(NUM, 9, network.width_in),), (NUM, 9, network.width)


def call(network: nn.Module, arguments: tuple) -> tuple[Tensor, ...]:
    """Return all tensors that a network gives, the main one first; a style network completes its latent before."""
    if isinstance(network, Generator):
        latent, given = arguments
        arguments = (network.embed(latent, given, torch.Generator().manual_seed(3)), given)
    found = network(*arguments)
    return (found.score, *(found.aux[name] for name in sorted(found.aux))) if isinstance(found, Critique) else (found,)


@pytest.mark.parametrize("base", CASES, ids=lambda base: base.__name__)
def test_every_network_has_a_case(base):
    assert missing(classes(base, genloom.networks), CASES[base]) == []


@pytest.mark.parametrize("kind", CASES[Conditioning], ids=lambda kind: kind.__name__)
def test_a_conditioning_tells_what_it_is_given_and_nothing_of_what_is_dropped(kind):
    network, (z, given), _ = case(Conditioning, kind)
    network.eval()
    other = Given(label=(given["label"] + 1) % 3)
    assert (network(z, given) - network(z, other)).abs().amax(1).min() > 1e-4
    dropped = {"label": torch.ones(NUM, dtype=torch.bool)}
    untold = [network(z, Given(each, dropped=dropped)) for each in (given, other)]
    assert torch.equal(*untold)


@pytest.mark.parametrize("kind", CASES[TextNetwork], ids=lambda kind: kind.__name__)
def test_a_network_of_text_sees_no_later_token_and_goes_on_token_by_token(kind):
    network, (prompt, content), _ = case(TextNetwork, kind)
    network.eval()
    changed = content.clone()
    changed[:, 4] = (changed[:, 4] + 1) % LETTERS.size
    whole = network(prompt, content)
    assert torch.equal(whole[:, :5], network(prompt, changed)[:, :5])
    outputs, state = network.start(prompt, 9)
    for place in range(content.shape[1]):
        torch.testing.assert_close(outputs, whole[:, place], atol=1e-5, rtol=0)
        outputs, state = network.step(content[:, place], state)


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize(("base", "kind"), ALL, ids=BY_NAME)
def test_it_returns_what_its_base_says_for_any_size(base, kind, shape):
    network, arguments, expected = case(base, kind, shape)
    found = call(network, arguments)
    assert found[0].shape == expected
    assert all(value.isfinite().all() for value in found)


@pytest.mark.parametrize(("base", "kind"), LEARNED, ids=lambda kind: kind.__name__)
def test_a_gradient_reaches_every_parameter(base, kind):
    network, arguments, _ = case(base, kind)
    sum((value * torch.randn_like(value)).sum() for value in call(network, arguments)).backward()
    cut_off = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert cut_off == []


@pytest.mark.parametrize(("base", "kind"), ALL, ids=BY_NAME)
def test_it_answers_twice_alike_and_leaves_its_state_alone_when_it_is_used(base, kind):
    network, arguments, _ = case(base, kind)
    call(network.train(), arguments)
    network.eval()
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        one, other = call(network, arguments), call(network, arguments)
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(("base", "kind"), ALL, ids=BY_NAME)
def test_copies_and_loaded_states_are_the_same_network(base, kind):
    network, arguments, _ = case(base, kind)
    call(network.train(), arguments)
    network.eval()
    torch.manual_seed(1)
    loaded, _, _ = case(base, kind)
    for value in loaded.state_dict().values():  # what is built anew, as a filter, is not of it
        if value.is_floating_point():
            value.add_(1.0)
    loaded.load_state_dict(network.state_dict(), strict=True)
    with torch.no_grad():
        wanted = call(network, arguments)
        for again in (copy.deepcopy(network), loaded.eval()):
            assert all(torch.equal(*pair) for pair in zip(wanted, call(again, arguments), strict=True))
