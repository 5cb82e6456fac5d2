"""The sequence family on small text and small series."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from genloom.data.series.series import Series
from genloom.data.texts.text import FromCharacters, Text
from genloom.distributions.outputs.categorical import Categorical
from genloom.distributions.outputs.real import Gaussian, Point, Quantiles
from genloom.errors import ConfigError
from genloom.models.abilities import Attends, Continues, Forecasts, Samples, Scores
from genloom.models.generation import draw_examples
from genloom.models.sequence import SequenceBaseline, SequenceModel
from genloom.networks.baselines.closed_form import Ridge
from genloom.networks.sequence.forecasting import LastValue, Linear, MeanStd
from genloom.networks.sequence.language import Language
from genloom.networks.sequence.periodic import Periodic
from genloom.networks.sequence.recurrent import GRU
from genloom.networks.sequence.transformer import Transformer
from genloom.objectives.sequence import MeanSquaredError, NegativeLogLikelihood, Pinball
from genloom.samplers.paths import Paths
from genloom.samplers.tokens import Tokens

adamw = partial(torch.optim.AdamW, lr=1e-2)


@pytest.fixture
def text(tmp_path) -> Text:
    file = tmp_path / "text.txt"
    file.write_text("the cat sat on the mat.\n" * 60, encoding="utf-8")
    sizes = {"length": 16, "context": 8, "batch_size": 8, "val_fraction": 0.2, "test_fraction": 0.2}
    return Text(name="tiny", vocabulary=FromCharacters(), path=file, **sizes)


@pytest.fixture
def series() -> Series:
    return Series(name="tiny", num_series=4, length=200, look_back=48, horizon=12, batch_size=32)


@pytest.fixture
def text_model(text: Text) -> Callable[..., SequenceModel]:
    def build(**changes: Any) -> SequenceModel:
        torch.manual_seed(0)
        arguments: dict[str, Any] = {
            "network": partial(Language, backbone=partial(GRU, width=16)),
            "output": Categorical,
            "objective": NegativeLogLikelihood(),
            "optimizer": {"network": adamw},
            **changes,
        }
        return SequenceModel(text.describe(), **arguments)

    return build


@pytest.fixture
def series_model(series: Series) -> Callable[..., SequenceModel]:
    def build(**changes: Any) -> SequenceModel:
        torch.manual_seed(0)
        arguments: dict[str, Any] = {
            "network": partial(Linear, normalise=LastValue()),
            "output": Point,
            "objective": MeanSquaredError(),
            "optimizer": {"network": adamw},
            **changes,
        }
        return SequenceModel(series.describe(), **arguments)

    return build


def test_text_is_learned_and_its_likelihood_is_the_sum_over_tokens(text, text_model, fit):
    model = text_model()
    batch = next(model.spec.batches(text.modelled("test"), 4))
    before = model.log_prob(batch).sum()
    fit(model, text, max_steps=60)
    after = model.eval().log_prob(batch).sum()
    assert after > 0.3 * before  # nats, below zero
    assert model.abilities == {Samples, Continues, Scores}
    logits = model.predict(batch).logits
    tokens = logits.log_softmax(-1).gather(-1, batch.content.unsqueeze(-1)).squeeze(-1)
    kept = tokens if batch.mask is None else tokens * batch.mask
    assert torch.allclose(kept.sum(1), model.log_prob(batch), atol=1e-4)


def test_samples_are_text_of_the_vocabulary_and_repeat_with_the_seed(text, text_model):
    model = text_model().eval()
    first, second, other = (draw_examples(model, 3, seed=seed).content for seed in (1, 1, 2))
    assert first.shape == (3, 16)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert set(model.spec.content.vocabulary.decode(first.flatten())) <= set("the cat sat on the mat.\n")


def test_greedy_generation_takes_the_most_probable_token(text_model):
    model = text_model().eval()
    prompt = model.conditions["prompt"].asked(["the "], 1, "given.prompt")
    drawn = list(model.generate(prompt, 5, rng=torch.Generator(), choose=Tokens(temperature=0)))
    text = prompt
    for token in drawn:
        content = torch.cat([text[:, 1:], token.view(1, 1)], dim=1)
        logits = model.network(text[:, :1], content)
        assert logits[0, -1].argmax() == token
        text = torch.cat([text, token.view(1, 1)], dim=1)


@pytest.mark.parametrize(
    ("output", "objective"),
    [
        (Point, MeanSquaredError()),
        (Gaussian, NegativeLogLikelihood()),
        (partial(Quantiles, levels=[0.1, 0.5, 0.9]), Pinball()),
    ],
)
def test_every_output_learns_and_forecasts(series, series_model, fit, output, objective):
    model = series_model(output=output, objective=objective)
    batch = next(model.spec.batches(series.split("test"), 64))
    before = objective(model.prediction(model.network, batch), batch).total.item()
    fit(model, series, max_steps=80)
    after = objective(model.eval().prediction(model.network, batch), batch).total.item()
    assert after < 0.95 * before
    forecast = Paths(num_paths=7).forecast(model, batch.given["history"], rng=torch.Generator().manual_seed(0))
    assert forecast.mean.shape == batch.content.shape
    if output is Point:
        assert forecast.quantiles is None and forecast.paths is None
        assert Scores not in model.abilities
    else:
        assert forecast.quantiles is not None and forecast.paths is not None
        assert (forecast.quantiles.diff(dim=0) >= 0).all()
        assert forecast.paths.shape == (7, *batch.content.shape)


def test_what_was_not_observed_has_no_part_in_the_loss(series, series_model):
    model = series_model()
    batch = next(model.spec.batches(series.split("test"), 8))
    batch.mask = torch.ones_like(batch.content, dtype=torch.bool)
    batch.mask[:, 3] = False
    loss = model.objective(model.prediction(model.network, batch), batch).total
    batch.content = batch.content.clone()
    batch.content[:, 3] = 1e6
    assert torch.equal(loss, model.objective(model.prediction(model.network, batch), batch).total)


def test_a_baseline_arrives_in_one_iteration_and_beats_an_untrained_network(series, series_model, fit):
    baseline = SequenceBaseline(
        series.describe(), network=Ridge, output=Gaussian, optimizer={"parameters": partial(torch.optim.SGD, lr=1.0)}
    )
    trainer = fit(baseline, series, max_steps=5)
    assert trainer.global_step == 1
    batch = next(baseline.spec.batches(series.split("test"), 200))

    def error(model: Any) -> float:
        return (model.predict(batch).mean - batch.content).square().mean().item()

    assert error(baseline) < 0.7 * error(series_model())
    assert baseline.abilities == {Forecasts, Scores}


def test_attention_is_offered_by_networks_that_attend(text_model):
    assert Attends not in text_model().abilities
    model = text_model(
        network=partial(Language, backbone=partial(Transformer, width=16, layers=2, heads=2, context=32))
    )
    assert Attends in model.abilities


def test_parts_that_do_not_fit_are_refused(text, series, text_model, series_model):
    with pytest.raises(ConfigError, match=r"model.objective: Pinball needs .* levels, .*model.output=Point"):
        series_model(objective=Pinball())
    with pytest.raises(ConfigError, match=r"model.objective: NegativeLogLikelihood needs .* density"):
        series_model(objective=NegativeLogLikelihood())
    with pytest.raises(ConfigError, match=r"model.output: Categorical is made for texts, and data.name=tiny"):
        SequenceModel(
            series.describe(),
            network=partial(Linear, normalise=LastValue()),
            output=Categorical,
            objective=NegativeLogLikelihood(),
            optimizer={},
        )
    with pytest.raises(ConfigError, match=r"model.output: Point is made for series"):
        text_model(output=Point)
    with pytest.raises(ConfigError, match=r"model.network"):
        text_model(network=partial(Periodic, normalise=MeanStd()))


def test_the_periodic_network_repeats_a_season_that_it_is_taught_to_repeat(series, series_model):
    network = series_model(network=partial(Periodic, normalise=MeanStd())).network
    with torch.no_grad():
        network.smooth.weight.zero_()
        network.map.weight.zero_()
        network.map.weight[:, -1] = 1  # the newest period
    history = next(series.describe().batches(series.split("test"), 5)).given["history"]
    assert network.period == 24 and network.ahead == 1  # twelve steps ahead are half a period
    assert network.map.weight.shape == (network.ahead * network.outputs, 48 // 24)
    assert torch.allclose(network(history)[..., 0], history.past[:, -24:-12], atol=1e-4)


def test_halves_of_a_batch_give_the_gradient_of_the_whole(series, series_model):
    model = series_model()
    batch = next(model.spec.batches(series.split("test"), 8))
    gradients = []
    for parts in (batch.chunks(1), batch.chunks(2)):
        model.zero_grad()
        for part in parts:
            (model.objective(model.prediction(model.network, part), part).total / len(parts)).backward()
        gradients.append([parameter.grad.clone() for parameter in model.network.parameters()])
    for whole, halves in zip(*gradients, strict=True):
        assert torch.allclose(whole, halves, atol=1e-6)
