"""Each sampler draws what it says, from every model that offers what it needs, and says so in a protocol."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch

import genloom.samplers
from discovery import classes, missing
from genloom import randomness
from genloom.batch import Given, History
from genloom.bottlenecks.gaussian import Deterministic
from genloom.contents.series import HistoryCondition, SeriesContent
from genloom.contents.text import PromptCondition, TextContent
from genloom.contents.vocabulary import Characters
from genloom.diffusion.prediction import Clean
from genloom.diffusion.process import RectifiedFlow
from genloom.distributions.latents import NormalWithCodes
from genloom.distributions.likelihoods.gaussian import OptimalGaussian
from genloom.distributions.outputs.base import Output
from genloom.distributions.outputs.categorical import Categorical
from genloom.distributions.outputs.real import Gaussian, Point
from genloom.errors import CapabilityError, ConfigError
from genloom.models.diffusion import Diffusion
from genloom.models.generation import draw, draw_examples
from genloom.models.sequence import SequenceModel
from genloom.networks.base import Truncating
from genloom.networks.denoiser.series import SeriesDenoiser
from genloom.networks.sequence.forecasting import LastValue, Linear
from genloom.networks.sequence.language import Language
from genloom.networks.sequence.recurrent import LSTM
from genloom.objectives.denoising import Denoising
from genloom.objectives.sequence import MeanSquaredError, NegativeLogLikelihood
from genloom.outlook import LEVELS
from genloom.samplers.base import Sampler
from genloom.samplers.ddim import Ddim
from genloom.samplers.denoising import DenoisingSampler
from genloom.samplers.dpm_solver import DpmSolver
from genloom.samplers.ensemble import Ensemble, paths_of
from genloom.samplers.euler import Euler
from genloom.samplers.fitting import SAMPLERS, check, give, usual
from genloom.samplers.heun import Heun
from genloom.samplers.paths import Paths
from genloom.samplers.plain import Plain
from genloom.samplers.tokens import TextSampler, Tokens, stream
from genloom.samplers.truncated import Truncated
from genloom.spec import Spec

MEAN = 2.0  # of w


class Styled(Truncating):
    """w = z + 2, whose mean is 2; the picture shows w."""

    latent_names = frozenset({"w"})

    def __init__(self, spec: Spec, latent_dim: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.1))
        self.dim = latent_dim

    def embed(self, latent, given, rng):
        return latent if "w" in latent else {"w": latent["z"] + MEAN}

    def truncate(self, latent, psi):
        return {"w": torch.lerp(torch.full_like(latent["w"], MEAN), latent["w"], psi)}

    def forward(self, latent, given=None):
        w = torch.nn.functional.pad(latent["w"], (0, 16 - self.dim))
        return (self.weight * w).view(-1, 1, 4, 4)


@pytest.fixture
def styled(tiny_gan):
    return tiny_gan(generator=Styled)


@pytest.fixture
def text() -> SequenceModel:
    torch.manual_seed(0)
    letters = Characters("\nabc")
    spec = Spec("text", TextContent(12, letters), {"prompt": PromptCondition(letters)})
    network = partial(Language, backbone=partial(LSTM, width=8))
    return SequenceModel(
        spec, network=network, output=Categorical, objective=NegativeLogLikelihood(), optimizer={}
    ).eval()


def series(output: Callable[[Spec], Output] = Gaussian) -> SequenceModel:
    torch.manual_seed(0)
    spec = Spec("series", SeriesContent(3, ("load",)), {"history": HistoryCondition(look_back=8)})
    network = partial(Linear, normalise=LastValue())
    return SequenceModel(spec, network=network, output=output, objective=MeanSquaredError(), optimizer={}).eval()


def simulated() -> Diffusion:
    torch.manual_seed(0)
    spec = Spec("series", SeriesContent(3, ("load",)), {"history": HistoryCondition(look_back=8)})
    network = partial(SeriesDenoiser, forecaster=partial(Linear, normalise=LastValue()), width=8)
    parts = {"network": network, "process": RectifiedFlow(), "prediction": Clean(), "objective": Denoising()}
    return Diffusion(spec, **parts, optimizer={}).eval()


def history(num: int = 4) -> History:
    one = torch.ones(num, 1)
    return History(torch.arange(num).view(-1, 1, 1).expand(-1, 8, 1).float(), scale=one, offset=one, naive_error=one)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Plain


def test_plain_is_the_model_s_own_distribution_and_so_is_no_sampler(tiny_gan, tiny_vae, text):
    for model in (tiny_gan(), tiny_vae(), text):
        own = model.sample(6, rng=rng()).content
        assert torch.equal(Plain().draw(model, 6, rng=rng()).content, own)
        for model.sampler in (None, Plain()):
            assert torch.equal(draw(model, 6, rng=rng()).content, own)


# Truncation


def test_all_of_the_distance_is_no_truncation_and_none_of_it_is_the_mean(styled):
    plain = Plain().draw(styled, 5, rng=rng()).content
    assert torch.equal(Truncated(psi=1).draw(styled, 5, rng=rng()).content, plain)
    mean = styled.decode({"w": torch.full((1, 3), MEAN)}).content
    assert torch.equal(Truncated(psi=0).draw(styled, 5, rng=rng()).content, mean.expand(5, -1, -1, -1))
    half = Truncated(psi=0.5).draw(styled, 5, rng=rng()).content
    torch.testing.assert_close(half, (plain + mean) / 2)


def test_what_is_asked_for_is_kept_under_truncation(tiny_gan):
    model = tiny_gan(generator=Styled, latent=NormalWithCodes(6, categories=3, continuous=1))
    drawn = Truncated(psi=0.5).draw(model, 4, rng=rng(), given=Given(code=torch.tensor([2, 0, 1, 2])))
    assert drawn.given["code"].tolist() == [2, 0, 1, 2]
    one_hot = (drawn.content.flatten(1)[:, 2:5] / model.generator.weight.detach() - MEAN) * 2 + MEAN
    assert (one_hot - MEAN).argmax(1).tolist() == [2, 0, 1, 2]


def test_examples_are_drawn_by_the_model_s_sampler_with_any_of_its_weights(tiny_gan):
    model = tiny_gan(generator=Styled, ema_half_life_examples=50)
    plain = draw_examples(model, 7, seed=0).content
    model.sampler = Truncated(psi=0)
    for weights in (None, "ema", "raw"):
        drawn = draw_examples(model.using(weights), 7, seed=0).content
        assert torch.equal(drawn, drawn[:1].expand_as(drawn)) and not torch.equal(drawn, plain)


# Texts


def test_tokens_as_they_stand_are_the_model_s_own_and_greedy_ones_are_all_alike(text):
    own = text.sample(5, rng=rng())
    drawn = Tokens().draw(text, 5, rng=rng())
    assert torch.equal(drawn.content, own.content) and torch.equal(drawn.given["prompt"], own.given["prompt"])
    greedy = Tokens(temperature=0).draw(text, 5, rng=rng()).content
    assert torch.equal(greedy, greedy[:1].expand(5, -1)) and greedy.shape == (5, 12)


@dataclass(frozen=True)
class Constant(TextSampler):
    """Always the same token."""

    token: int = 2

    def stream(self, model, tokens, num_tokens, *, rng):
        for _ in range(num_tokens):
            yield torch.full((len(tokens),), self.token)


def test_texts_go_on_after_any_prompt_as_the_model_s_sampler_says(text):
    prompt = torch.tensor([[1, 2], [3, 1]])
    own = torch.stack(list(text.generate(prompt, 9, rng=rng())), 1)
    for text.sampler in (None, Plain(), Tokens()):
        assert torch.equal(torch.stack(list(stream(text, prompt, 9, rng=rng())), 1), own)
    text.sampler = Constant()
    assert torch.stack(list(stream(text, prompt, 9, rng=rng())), 1).eq(2).all()
    assert draw(text, 3, rng=rng()).content.eq(2).all()


def test_a_sampler_that_knows_no_prompts_is_refused_where_one_is_given(text):
    text.sampler = Doubled()
    with pytest.raises(CapabilityError, match=r"^sampler: Doubled does not go on after a prompt; .*sampler=tokens$"):
        stream(text, torch.zeros(1, 1, dtype=torch.int64), 3, rng=rng())


# Series


def test_quantiles_and_draws_are_those_of_the_prediction():
    model, past = series(), history()
    told = Paths(num_paths=5, levels=[0.2, 0.8]).forecast(model, past, rng=rng())
    prediction = model.forecast(past)
    assert told.quantiles is not None and told.levels is not None and told.paths is not None
    assert torch.equal(told.mean, prediction.mean)
    assert told.levels.tolist() == pytest.approx([0.2, 0.8])
    assert torch.equal(told.quantiles, prediction.quantiles(torch.tensor([0.2, 0.8])))
    assert torch.equal(told.paths, prediction.sample(5, rng()))
    assert Paths().forecast(model, past, rng=rng()).paths is None
    assert Paths(num_paths=5).forecast(model, past).paths is None


def test_a_history_is_drawn_on_by_a_future_of_its_own():
    model, past = series(), history()
    drawn = Paths().draw(model, 4, rng=rng(), given=Given(history=past))
    assert torch.equal(drawn.content, model.forecast(past).sample(1, rng())[0])
    with pytest.raises(CapabilityError, match=r"sampler: Paths draws what comes after a history, and none is given"):
        Paths().draw(model, 4, rng=rng())
    with pytest.raises(CapabilityError, match="this model gives a point"):
        Paths().draw(series(Point), 4, rng=rng(), given=Given(history=past))


def test_the_future_is_told_as_the_model_s_sampler_says():
    model = series()
    assert paths_of(model) == Paths(0, LEVELS)
    model.sampler = Paths(levels=[0.5])
    assert paths_of(model) is model.sampler
    model.sampler = Doubled()
    with pytest.raises(CapabilityError, match=r"^sampler: Doubled does not tell the future .*sampler=paths$"):
        paths_of(model)


def test_of_whole_futures_the_mean_the_quantiles_and_the_paths_are_those_of_the_draws():
    model, past = simulated(), history()
    told = Ensemble(num_paths=5, levels=[0.5]).forecast(model, past, rng=rng())
    assert told.paths is not None and told.quantiles is not None
    assert told.paths.shape == (5, 4, 3, 1)
    assert torch.equal(told.mean, told.paths.mean(0)) and torch.equal(told.quantiles[0], told.paths.median(0).values)
    assert Paths().forecast(model, past).quantiles is not None  # by the model's own, slower draws
    assert paths_of(model) == Ensemble()
    model.sampler = Heun(steps=2)
    assert paths_of(model) == Ensemble(by=Heun(steps=2))
    model.sampler = Ensemble(num_paths=3)
    assert paths_of(model) is model.sampler


# Limits


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Truncated(psi=float("nan")), "sampler.psi: nan is not finite"),
        (lambda: Truncated(psi=float("inf")), "sampler.psi: inf is not finite"),
        (lambda: Paths(num_paths=-1), "sampler.num_paths: -1 is below the limit of 0"),
        (lambda: Paths(levels=[0.5, 0.1]), r"sampler.levels: \[0.5, 0.1\] are not ascending within 0 and 1"),
        (lambda: Paths(levels=[0.1, 0.1]), "sampler.levels"),
        (lambda: Paths(levels=[0.0, 0.5]), "sampler.levels"),
        (lambda: Paths(levels=[0.5, 1.0]), "sampler.levels"),
        (lambda: Paths(levels=[]), "sampler.levels"),
        (lambda: Ensemble(num_paths=1), "sampler.num_paths: 1 is below the limit of 2"),
        (lambda: Ensemble(levels=[]), "sampler.levels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_out_of_its_limits_is_named(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


# Fitting


@dataclass(frozen=True)
class Doubled(Sampler):
    """Twice what the model draws."""

    scale: float = 2.0

    def draw(self, model, num, *, rng, given=None):
        drawn = model.sample(num, rng=rng, given=given)
        drawn.content = self.scale * drawn.content
        return drawn


def test_a_sampler_that_does_not_fit_is_refused_by_what_it_needs_and_what_fits(tiny_gan, styled, text):
    for model, sampler, message in (
        (tiny_gan(), Truncated(), "Truncated needs Truncate; this model offers .*, Sample; sampler=plain fits it"),
        (tiny_gan(), Paths(), "Paths needs Forecast; this model offers .*, Sample; sampler=plain fits it"),
        (styled, Tokens(), "Tokens needs Continue; .*; sampler=plain and sampler=truncated fit it"),
        (text, Truncated(), "Truncated needs Truncate; .*; sampler=plain and sampler=tokens fit it"),
        (series(), Plain(), "Plain needs Sample; this model offers Forecast, Score; sampler=paths fits it"),
        (series(), Ensemble(), "Ensemble needs Simulate; this model offers Forecast, Score; sampler=paths fits it"),
        (simulated(), Tokens(), "Tokens needs Continue; .*; sampler=ensemble and sampler=paths and .* fit it"),
        (series(), Doubled(), "Doubled needs Sample; this model offers Forecast, Score; sampler=paths fits it"),
    ):  # fmt: skip
        with pytest.raises(CapabilityError, match=f"^sampler: {message}$"):
            check(sampler, model)
    for model, sampler in ((styled, Truncated()), (text, Tokens()), (text, Plain()), (series(), Paths())):
        check(sampler, model)
    check(Doubled(), text)


def test_of_a_model_that_nothing_draws_from_plain_is_no_claim(tiny_vae):
    model = tiny_vae(bottleneck=partial(Deterministic, dim=3), likelihood=OptimalGaussian)
    check(Plain(), model)
    with pytest.raises(CapabilityError, match=r"^sampler: Truncated needs Truncate; .*; none fits it$"):
        check(Truncated(), model)


def test_what_is_no_sampler_or_no_plain_data_is_refused(tiny_gan):
    @dataclass(frozen=True)
    class Elsewhere(Doubled):
        place: Path = Path("a")

    with pytest.raises(ConfigError, match=r"sampler: Linear is no genloom\.samplers\.base\.Sampler"):
        check(torch.nn.Linear(1, 1), tiny_gan())
    with pytest.raises(ConfigError, match="sampler: Elsewhere is no dataclass of plain values"):
        check(Elsewhere(), tiny_gan())


def test_a_model_that_does_not_say_is_drawn_from_as_its_content_is(tiny_gan, text):
    assert (usual(tiny_gan()), usual(text), usual(series())) == (Plain(), Tokens(), Paths())
    assert usual(simulated()) == Ensemble()


# Protocols


def test_a_protocol_says_the_name_and_every_value():
    assert Truncated(psi=0.3).protocol == {"name": "Truncated", "values": {"psi": 0.3}, "plain": False}
    assert json.loads(json.dumps(Paths(2, [0.5]).protocol))["values"] == {"num_paths": 2, "levels": [0.5]}
    assert Doubled().protocol["name"] == f"{__name__}.Doubled"  # so that two users' own are told apart


@pytest.mark.parametrize(
    ("sampler", "plain"),
    [
        (Plain(), True),
        (Truncated(psi=1), True),
        (Truncated(psi=0.999), False),
        (Tokens(), True),
        (Tokens(top_p=1.0), True),
        (Tokens(temperature=0.9), False),
        (Tokens(top_k=3), False),
        (Tokens(top_p=0.9), False),
        (Paths(num_paths=3), True),
        (Ensemble(num_paths=3), True),
        (Doubled(), False),
    ],
    ids=repr,
)
def test_a_sampler_is_plain_if_it_leaves_the_distribution_as_it_is(sampler, plain):
    assert sampler.protocol["plain"] is plain


CASES = {
    Ensemble: Ensemble(num_paths=3),
    Paths: Paths(num_paths=3),
    Plain: Plain(),
    Tokens: Tokens(temperature=0.5),
    Truncated: Truncated(psi=0.7),
    Euler: Euler(steps=3),
    Heun: Heun(steps=2),
    Ddim: Ddim(steps=3, eta=0.5),
    DpmSolver: DpmSolver(steps=3),
}


def test_every_sampler_has_a_case_and_is_advised_by_the_name_of_its_file():
    found = classes(Sampler, genloom.samplers)
    assert missing(found, CASES) == [] and missing(found, SAMPLERS) == []
    folder = Path(__file__).parents[2] / "conf" / "sampler"
    files = {path.stem for path in folder.glob("*.yaml")}
    assert files - {kind.__name__.lower() for kind in SAMPLERS} == {"ancestral", "stochastic"}  # ddim and heun


def test_a_model_is_refused_by_a_sampler_that_draws_by_what_it_lacks(tiny_gan, text):
    for model, sampler, needed in (
        (tiny_gan(), Truncated(), "Truncate"),
        (text, Paths(), "Forecast"),
        (series(), Tokens(), "Continue"),
        (series(), Plain(), "Sample"),
    ):
        name = type(sampler).__name__
        with pytest.raises(CapabilityError, match=rf"^sampler: {name} needs {needed}; this model offers \w+"):
            sampler.draw(model, 2, rng=rng())


def test_a_sampler_that_does_not_fit_is_not_given(tiny_gan):
    model = tiny_gan()
    with pytest.raises(CapabilityError):
        give(model, Truncated())
    assert model.sampler is None
    give(model, Plain())
    assert model.sampler == Plain()


@pytest.mark.parametrize("kind", CASES)
def test_a_sampler_draws_what_it_is_asked_for_and_the_same_again(kind, styled, text, tiny_diffusion):
    others = {Tokens: (text, None), Paths: (series(), Given(history=history(6))), Plain: (styled, None)}
    others[Ensemble] = (simulated(), Given(history=history(6)))
    denoises = issubclass(kind, DenoisingSampler)
    model, given = others.get(kind, (tiny_diffusion() if denoises else styled, None))
    sampler: Sampler = CASES[kind]
    first, second, other = (
        sampler.draw(model, 6, rng=randomness.generator(seed), given=given).content for seed in (0, 0, 1)
    )
    assert len(first) == 6
    assert torch.equal(first, second) and not torch.equal(first, other)


@pytest.mark.parametrize("kind", CASES)
def test_a_sampler_derived_from_a_plain_one_draws_otherwise(kind):
    derived = dataclass(frozen=True)(type("Derived", (kind,), {"__module__": "mine"}))
    values = {"psi": 1.0} if kind is Truncated else {}
    assert derived(**values).protocol == {**kind(**values).protocol, "name": "mine.Derived", "plain": False}
