"""Backbones, the network of text, networks of series: equations, causality, caches, gradients."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from genloom.batch import History
from genloom.contents.series import HistoryCondition, SeriesContent
from genloom.contents.text import TextContent
from genloom.contents.vocabulary import Characters
from genloom.distributions.outputs.real import Gaussian, Point, Quantiles
from genloom.errors import ConfigError
from genloom.networks.rotary import angles, rotate, rotation
from genloom.networks.sequence.forecasting import (
    LastValue,
    Linear,
    LookBackMap,
    MeanStd,
    Patches,
    Unchanged,
    moving_average,
)
from genloom.networks.sequence.language import Language
from genloom.networks.sequence.recurrent import GRU, LSTM, RNN
from genloom.networks.sequence.transformer import Transformer, normalise
from genloom.spec import Spec

TEXT = Spec("text", TextContent(6, Characters("abcdefg")))
SERIES = Spec("series", SeriesContent(horizon=5, channels=("x", "y", "z")), {"history": HistoryCondition(look_back=21)})
KNOWN = Spec(
    "series",
    SeriesContent(horizon=5, channels=("x", "y", "z")),
    {
        "history": HistoryCondition(
            21, past_covariates=("p",), future_covariates=("f", "g"), static_covariates=("s", "t")
        )
    },
)
RECURRENT = [partial(kind, width=8, layers=2, layer_norm=norm) for kind in (RNN, LSTM, GRU) for norm in (False, True)]
CAUSAL = [*RECURRENT, partial(Transformer, width=8, layers=2, heads=2, context=16)]
NOT_CAUSAL = partial(Transformer, width=8, layers=2, heads=2, context=16, causal=False)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def lively(network: nn.Module, std: float = 0.5) -> nn.Module:
    """Give each part of the network a say: the initial weights of a Transformer hardly change its input."""
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=std)
    return network.eval()


def history(spec: Spec, num: int = 4) -> History:
    condition, channels = spec.given["history"], len(spec.content.channels)
    assert isinstance(condition, HistoryCondition)
    back, ahead = condition.look_back, condition.look_back + spec.content.horizon

    def known(names: tuple[str, ...], *steps: int):
        return torch.randn(num, *steps, len(names)) if names else None

    ones = torch.ones(num, channels)
    return History(
        past=torch.randn(num, back, channels),
        scale=ones,
        offset=ones,
        naive_error=ones,
        past_covariates=known(condition.past_covariates, back),
        future_covariates=known(condition.future_covariates, ahead),
        static_covariates=known(condition.static_covariates),
    )


# Backbones


def test_an_lstm_is_its_equations():
    """Hochreiter and Schmidhuber with a forget gate: c = f c + i g, h = o tanh(c)."""
    backbone = LSTM(width=3, width_in=2)
    x = torch.randn(1, 5, 2)
    w, u, b, d = (parameter.detach().numpy() for parameter in backbone.layers[0].parameters())
    h, c, expected = np.zeros(3), np.zeros(3), []
    for x_t in x[0].numpy():
        i, f, g, o = np.split(w @ x_t + b + u @ h + d, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        expected.append(h)
    np.testing.assert_allclose(backbone(x)[0].detach().numpy(), np.array(expected), atol=1e-6)


@pytest.mark.parametrize("build", CAUSAL)
def test_a_later_position_changes_no_earlier_output(build):
    backbone = lively(build())
    x = torch.randn(2, 10, 8)
    changed = x.clone()
    changed[:, 6] += 1
    difference = (backbone(changed) - backbone(x)).abs().amax((0, 2))
    assert difference[:6].max() < 1e-6
    assert difference[6:].min() > 1e-4


def test_without_causality_every_position_sees_every_other():
    backbone = lively(NOT_CAUSAL())
    x = torch.randn(2, 10, 8)
    changed = x.clone()
    changed[:, 6] += 1
    assert (backbone(changed) - backbone(x)).abs().amax((0, 2)).min() > 1e-4
    with pytest.raises(ConfigError, match="causal"):
        backbone.start(2, 10)


@pytest.mark.parametrize("build", CAUSAL)
@pytest.mark.parametrize("parts", [(10,), (4, 6), (1,) * 10, (3, 1, 1, 5)])
def test_parts_of_a_sequence_give_what_the_whole_gives(build, parts):
    backbone = lively(build())
    x = torch.randn(2, 10, 8)
    state, outputs = backbone.start(2, 10), []
    for part in x.split(parts, dim=1):
        y, state = backbone.step(part, state)
        outputs.append(y)
    torch.testing.assert_close(torch.cat(outputs, dim=1), backbone(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("build", [*CAUSAL, NOT_CAUSAL])
def test_every_parameter_of_a_backbone_learns(build):
    backbone = build()
    backbone(torch.randn(2, 10, 8)).square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_rotation_turns_pairs_by_angles_that_depend_on_the_distance_only():
    by = rotation(angles(50, 8, 10_000.0))
    x = torch.randn(1, 1, 1, 2, 8).expand(1, 50, 1, 2, 8)  # the same two vectors at each position
    q, k = rotate(x, *by)[0, :, 0].double().unbind(1)
    scores = q @ k.T
    for shift in (1, 7):
        torch.testing.assert_close(scores[shift:, shift:], scores[:-shift, :-shift], atol=1e-5, rtol=0)
    assert (scores[0, 1:] - scores[0, :1]).abs().min() > 1e-3  # and on the distance they do depend
    pair = rotate(torch.tensor([[1.0, 0.0]]).expand(1, 3, 1, 1, 2), *rotation(angles(3, 2, 10_000.0)))[
        0, :, 0, 0
    ]  # dim 2: 1 radian a step
    expected = torch.tensor([[np.cos(t), np.sin(t)] for t in range(3)], dtype=torch.float32)
    torch.testing.assert_close(pair, expected)


@pytest.mark.parametrize("dim", [2, 8])
def test_rotation_is_that_of_the_paper(dim):
    """Su et al., 2021, equation 15, with pairs as complex numbers: θ_i = 10000^(−2(i − 1)/d), i = 1 … d/2."""
    x = torch.randn(1, 30, 3, 2, dim)
    turned = rotate(x, *rotation(angles(30, dim, 10_000.0))).double().numpy()
    theta = np.arange(30)[:, None] * np.array([10_000 ** (-2 * (i - 1) / dim) for i in range(1, dim // 2 + 1)])
    pairs = x.double().numpy()[..., : dim // 2] + 1j * x.double().numpy()[..., dim // 2 :]
    expected = pairs * np.exp(1j * theta)[:, None, None]
    np.testing.assert_allclose(turned[..., : dim // 2] + 1j * turned[..., dim // 2 :], expected, atol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_the_fused_attention_is_the_softmax(causal):
    backbone = lively(Transformer(width=8, layers=1, heads=2, context=16, causal=causal))
    x = torch.randn(2, 10, 8)
    weights = backbone.attention(x)
    assert weights.shape == (1, 2, 10, 10)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 10))
    assert bool((weights.triu(1) == 0).all()) == causal
    block = backbone.blocks[0]
    q, k, v = block.project(x, (backbone.cosine[:10], backbone.sine[:10]))
    scores = (q @ k.transpose(-2, -1)).double() / 4**0.5
    seen = torch.ones(10, 10).tril() if causal else torch.ones(10, 10)
    exact = scores.exp() * seen
    attended = (exact / exact.sum(-1, keepdim=True)).float() @ v
    torch.testing.assert_close(backbone(x), normalise(block.add(x, attended), backbone.root), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weights[0], (exact / exact.sum(-1, keepdim=True)).mean(1).float())


def test_a_transformer_starts_with_the_weights_of_the_paper():
    """Radford et al., 2019: 0.02, and of what is added to the stream less by the root of the number of additions."""
    backbone = Transformer(width=64, layers=8, heads=2)
    for block in backbone.blocks:
        for module, std in (
            (block.qkv, 0.02),
            (block.gate_up, 0.02),
            (block.out, 0.02 / 16**0.5),
            (block.down, 0.02 / 16**0.5),
        ):
            assert module.weight.std().item() == pytest.approx(std, rel=0.05)
    assert backbone.blocks[0].down.in_features == 192  # 8/3 of 64 is 170.7
    assert Transformer(width=12, layers=1, heads=2).blocks[0].down.in_features == 32  # exactly 8/3 of 12
    assert Transformer(width=12, layers=1, heads=2, hidden=5).blocks[0].down.in_features == 5
    with pytest.raises(ConfigError, match="width: 12"):
        Transformer(width=12, heads=4)
    Transformer(width=1 * 2, heads=1, layers=1, context=1)


def test_a_block_is_its_equations():
    """x + W_o a, then + W_down (SiLU(gate) · up) of the normalised."""
    block = lively(Transformer(width=8, layers=1, heads=2)).blocks[0]
    x, attended = torch.randn(2, 5, 8), torch.randn(2, 2, 5, 4)
    x_a = x + attended.permute(0, 2, 1, 3).reshape(2, 5, 8) @ block.out.weight.T
    gate, up = (nn.functional.rms_norm(x_a, (8,)) @ block.gate_up.weight.T).split(block.down.in_features, -1)
    expected = x_a + (gate / (1 + (-gate).exp()) * up) @ block.down.weight.T
    torch.testing.assert_close(block.add(x, attended), expected)


@pytest.mark.parametrize("build", [partial(LSTM, dropout=0.5), partial(Transformer, heads=2, layers=2, dropout=0.5)])
def test_dropout_is_of_training_alone(build):
    backbone = build(width=8)
    x = torch.randn(2, 6, 8)
    assert not torch.equal(backbone(x), backbone(x))
    backbone.eval()
    assert torch.equal(backbone(x), backbone(x))


def test_normalisation_is_by_the_root_of_the_mean_square():
    x = torch.randn(3, 8)
    torch.testing.assert_close(normalise(x, torch.tensor(8**0.5)), x / x.square().mean(-1, keepdim=True).sqrt())
    torch.testing.assert_close(normalise(x, torch.tensor(8**0.5)), torch.nn.functional.rms_norm(x, (8,)))
    assert not normalise(torch.zeros(3, 8), torch.tensor(8**0.5)).any()


@pytest.mark.parametrize("build", [*CAUSAL, NOT_CAUSAL])
def test_a_checkpoint_holds_what_was_learned_and_nothing_that_follows_from_the_arguments(build):
    backbone = build()
    assert backbone.state_dict().keys() == dict(backbone.named_parameters()).keys()


@pytest.mark.parametrize(
    "build, named",
    [
        (partial(LSTM, width=0), "width: 0"),
        (partial(GRU, layers=0), "layers: 0"),
        (partial(Transformer, width=12, heads=4), "width: 12"),
        (partial(Transformer, heads=0), "heads: 0"),
    ],
)
def test_a_backbone_names_what_is_out_of_its_limits(build, named):
    with pytest.raises(ConfigError, match=f"backbone.{named}"):
        build()


def test_more_positions_than_the_context_holds_are_refused():
    backbone = Transformer(width=8, layers=1, heads=2, context=4)
    with pytest.raises(ConfigError, match=r"context: 5 .* limit of 4"):
        backbone(torch.randn(1, 5, 8))
    with pytest.raises(ConfigError, match="context: 5"):
        backbone.start(1, 5)
    _, state = backbone.step(torch.randn(1, 4, 8), backbone.start(1, 4))
    with pytest.raises(ConfigError, match="context: 5"):
        backbone.step(torch.randn(1, 1, 8), state)


# Text


@pytest.mark.parametrize("build", CAUSAL)
@pytest.mark.parametrize("tied", [False, True])
def test_a_token_changes_no_earlier_output_and_every_parameter_learns(build, tied):
    network = lively(Language(TEXT, 7, backbone=build, tied=tied))
    prompt, content = torch.randint(7, (3, 4)), torch.randint(7, (3, 6))
    outputs = network(prompt, content)
    assert outputs.shape == (3, 6, 7)
    changed = content.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 7
    difference = (network(prompt, changed) - outputs).abs().amax((0, 2))
    assert difference[:4].max() < 1e-6  # outputs of a token come before it
    assert difference[4] > 1e-4
    other = (prompt + 1) % 7
    assert (network(other, content) - outputs).abs().amax((0, 2)).min() > 1e-4
    outputs.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("build", CAUSAL)
def test_cached_outputs_are_those_of_the_whole(build):
    network = lively(Language(TEXT, 7, backbone=build))
    tokens = torch.randint(7, (3, 10))
    outputs, state = network.start(tokens[:, :4], 10)
    cached = [outputs]
    for place in range(4, 9):
        outputs, state = network.step(tokens[:, place], state)
        cached.append(outputs)
    whole = network(tokens[:, :4], tokens[:, 4:])
    torch.testing.assert_close(torch.stack(cached, dim=1), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tied", [False, True])
def test_a_tied_output_is_the_embedding_and_nothing_more(tied):
    network = Language(TEXT, 7, backbone=partial(GRU, width=8), tied=tied)
    assert (network.out.weight is network.embedding.weight) is tied
    assert (network.out.bias is None) is tied


def test_the_embedding_starts_with_unit_variance_and_so_do_tied_outputs():
    spec = Spec("text", TextContent(6, Characters("".join(map(chr, range(200, 1200))))))
    network = Language(spec, 1000, backbone=partial(Transformer, width=64, layers=1, heads=2), tied=True)
    tokens = torch.arange(1000).view(10, 100)
    assert network.embed(tokens).var().item() == pytest.approx(1, rel=0.05)
    assert network(tokens[:, :1], tokens).std().item() == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"backbone": NOT_CAUSAL}, "causal"),
        ({"backbone": partial(Transformer, context=5)}, "data.length=6 .* limit of 5"),
        ({"backbone": partial(LSTM, width=8, width_in=4), "tied": True}, "tied"),
    ],
)
def test_a_network_of_text_names_what_does_not_fit(arguments, named):
    with pytest.raises(ConfigError, match=named):
        Language(TEXT, 7, **arguments)


# Series

SERIES_NETWORKS = [
    partial(Linear, normalise=Unchanged(), kernel=5),
    partial(Linear, normalise=LastValue(), per_channel=True),
    *(
        partial(Patches, backbone=build, normalise=LastValue(), patch_length=4, stride=3, flatten=flatten)
        for build in (*CAUSAL[::2], NOT_CAUSAL)
        for flatten in (True, False)
    ),
]


@pytest.mark.parametrize("build", SERIES_NETWORKS)
@pytest.mark.parametrize("spec", [SERIES, KNOWN])
def test_every_parameter_of_a_network_of_series_learns(build, spec):
    network = build(spec, 2)
    numbers = network(history(spec))
    assert numbers.shape == (4, 5, 3, 2)
    numbers.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("build", SERIES_NETWORKS)
def test_every_covariate_has_a_say(build):
    network = build(KNOWN, 2)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    past = history(KNOWN)
    for column in (past.past_covariates, past.future_covariates, past.static_covariates):
        column.requires_grad_()
    network(past).square().sum().backward()
    assert past.past_covariates.grad.abs().sum((0, 2)).min() > 0
    assert past.future_covariates.grad.abs().sum((0, 2)).min() > 0  # at every step, the horizon's too
    assert past.static_covariates.grad.abs().min() > 0


@pytest.mark.parametrize("maps", [1, 3])
def test_a_linear_map_starts_as_the_mean_of_the_look_back_and_as_no_distance(maps: int) -> None:
    past = torch.randn(2, 7, 3)
    first, log_distance = LookBackMap(7, 5, 2, maps)(past).unflatten(2, (5, 2)).unbind(-1)
    torch.testing.assert_close(first, past.mean(1).unsqueeze(2).expand(2, 3, 5))
    assert log_distance.count_nonzero() == 0


def test_the_summands_of_a_look_back_sum_to_it():
    network = Linear(SERIES, 1, normalise=Unchanged(), kernel=5)
    past = torch.randn(2, 21, 3)
    trend, remainder = network.parts(past)
    torch.testing.assert_close(trend + remainder, past)
    padded = np.pad(past.numpy(), ((0, 0), (2, 2), (0, 0)), mode="edge")
    expected = np.stack([padded[:, place : place + 5].mean(1) for place in range(21)], axis=1)
    np.testing.assert_allclose(trend.numpy(), expected, atol=1e-6)
    line = torch.arange(21.0).view(1, 21, 1)
    torch.testing.assert_close(moving_average(line, 5)[:, 2:-2], line[:, 2:-2])


def test_maps_per_channel_are_independent_and_shared_ones_the_same():
    past = history(SERIES)
    shared = lively(Linear(SERIES, 2, normalise=LastValue()))
    single = Linear(SERIES, 2, normalise=LastValue(), per_channel=True)
    with torch.no_grad():
        for own, common in zip(single.maps.parameters(), shared.maps.parameters(), strict=True):
            own.copy_(common.expand_as(own))
    torch.testing.assert_close(single(past), shared(past))
    before = single(past)
    with torch.no_grad():
        single.maps[0].weight[1] += 1
    changed = (single(past) - before).abs().amax((0, 1, 3)) > 0
    assert changed.tolist() == [False, True, False]


@pytest.mark.parametrize("build", SERIES_NETWORKS[1:])
@pytest.mark.parametrize("output", [Point, Gaussian, Quantiles])
def test_a_constant_that_is_added_to_the_past_is_added_to_the_forecast(build, output):
    made = output(SERIES)
    network = lively(build(SERIES, made.num_outputs), std=0.2)
    past = history(SERIES)
    before = made(network(past))
    past.past = past.past + torch.tensor([1.0, -2.0, 3.0])
    after = made(network(past))
    torch.testing.assert_close(after.mean - before.mean, torch.tensor([1.0, -2, 3]).expand(4, 5, 3), atol=1e-3, rtol=0)
    if made.prediction.has_quantiles:
        levels = torch.tensor([0.1, 0.9])
        (low, high), (low_after, high_after) = before.quantiles(levels), after.quantiles(levels)
        torch.testing.assert_close(high_after - low_after, high - low, atol=1e-3, rtol=1e-3)


def test_levels_are_the_mean_and_the_deviation_of_the_look_back_or_its_last_value():
    past = 3 * torch.randn(4, 5, 3) + 7
    offset, scale = MeanStd(eps=0.25)(past)
    np.testing.assert_allclose(offset, past.numpy().mean(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(scale, np.sqrt(past.numpy().var(1, keepdims=True) + 0.25), rtol=1e-5)
    assert torch.equal(LastValue()(past)[0], past[:, 4:]) and (LastValue()(past)[1] == 1).all()
    assert (Unchanged()(past)[0] == 0).all() and (Unchanged()(past)[1] == 1).all()


@pytest.mark.parametrize("output", [Point, Gaussian, Quantiles])
def test_a_past_twice_as_far_from_its_mean_makes_a_forecast_twice_as_far_and_as_wide(output):
    made = output(SERIES)
    network = Linear(SERIES, made.num_outputs, normalise=MeanStd(eps=0.0))
    nn.init.normal_(network.maps[0].weight, std=0.1)
    past = history(SERIES)
    before = made(network(past))
    past.past = 2 * past.past + 1
    after = made(network(past))
    torch.testing.assert_close(after.mean, 2 * before.mean + 1, atol=1e-3, rtol=1e-3)
    if made.prediction.has_quantiles:
        levels = torch.tensor([0.1, 0.5, 0.9])
        torch.testing.assert_close(after.quantiles(levels), 2 * before.quantiles(levels) + 1, atol=0.02, rtol=0.01)


def test_positions_begin_small():
    network = Patches(
        SERIES, 1, backbone=partial(NOT_CAUSAL, width=64), normalise=Unchanged(), patch_length=4, stride=3
    )
    assert network.positions.std().item() == pytest.approx(0.02, rel=0.15)


def test_what_a_patch_looks_at_sums_to_one():
    network = lively(Patches(SERIES, 1, backbone=NOT_CAUSAL, normalise=MeanStd(), patch_length=4, stride=3))
    weights = network.attention(history(SERIES))
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_what_is_looked_at_does_not_depend_on_the_level_that_is_subtracted():
    network = lively(Patches(SERIES, 1, backbone=NOT_CAUSAL, normalise=LastValue(), patch_length=4, stride=3))
    past = history(SERIES)
    before = network.attention(past)
    past.past = past.past + 5
    torch.testing.assert_close(network.attention(past), before, atol=1e-4, rtol=1e-4)


def test_channels_are_forecast_by_themselves_in_their_order():
    network = lively(Patches(SERIES, 1, backbone=NOT_CAUSAL, normalise=Unchanged(), patch_length=4, stride=3))
    past = history(SERIES)
    before = network(past)
    order = [2, 0, 1]
    past.past = past.past[..., order]
    torch.testing.assert_close(network(past), before[:, :, order], atol=1e-5, rtol=1e-5)


def test_a_mask_tells_what_was_observed():
    build = partial(Patches, backbone=CAUSAL[0], normalise=LastValue(), patch_length=4, stride=4)
    past = history(SERIES)
    observed = torch.ones(4, 21, 3, dtype=torch.bool)
    network = lively(build(SERIES, 1, mask=True))
    before = network(past)
    past.observed = observed
    torch.testing.assert_close(network(past), before)
    past.observed = observed.clone()
    past.observed[:, 10] = False
    assert (network(past) - before).abs().max() > 1e-3


def test_patches_hold_every_step():
    """21 steps by patches of 4 and strides of 3: seven patches, the first step repeated once before the first one."""
    network = Patches(SERIES, 1, backbone=NOT_CAUSAL, normalise=Unchanged(), patch_length=4, stride=3)
    assert (network.num_patches, network.padding) == (7, 1)
    nn.init.eye_(network.embedding.weight)
    nn.init.zeros_(network.embedding.bias)
    nn.init.zeros_(network.positions)
    past = history(SERIES)
    patches = network.embed(past.past, past)[::3, :, :4]  # of the first channel
    x = past.past[..., 0]
    torch.testing.assert_close(patches[:, 0], x[:, [0, 0, 1, 2]])
    torch.testing.assert_close(patches[:, 6], x[:, 17:21])
    assert network.attention(past).shape == (2, 4, 7, 7)
    for length, stride in ((8, 1), (21, 1)):  # as long as all that there is to see, too
        dense = Patches(SERIES, 1, backbone=NOT_CAUSAL, normalise=Unchanged(), patch_length=length, stride=stride)
        assert dense.embed(past.past, past).shape[1] == dense.num_patches == 22 - length


@pytest.mark.parametrize(
    "build, named",
    [
        (partial(Linear, normalise=Unchanged(), kernel=4), "kernel: 4"),
        (
            partial(Patches, backbone=NOT_CAUSAL, normalise=Unchanged(), patch_length=22),
            "patch_length: 22 .*look_back=21",
        ),
        (partial(Patches, backbone=NOT_CAUSAL, normalise=Unchanged(), patch_length=2, stride=3), "stride: 3"),
        (
            partial(Patches, backbone=NOT_CAUSAL, normalise=Unchanged(), patch_length=1, stride=1),
            "context: 21 .* of 16",
        ),
    ],
)
def test_a_network_of_series_names_what_does_not_fit(build, named):
    with pytest.raises(ConfigError, match=named):
        build(SERIES, 1)


@pytest.mark.parametrize("network", [partial(Language, backbone=CAUSAL[0])])
def test_networks_refuse_the_other_kind_of_content(network):
    with pytest.raises(ConfigError, match="model=series"):
        network(SERIES, 1)
    with pytest.raises(ConfigError, match="model=text"):
        Linear(TEXT, 1, normalise=Unchanged())
