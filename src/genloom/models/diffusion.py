"""Diffusion models: a network that tells content from noise, at every level of noise."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from genloom import randomness
from genloom.batch import NOTHING, Batch, Given, History
from genloom.contents.base import Values
from genloom.contents.condition import Condition
from genloom.contents.series import SeriesContent
from genloom.diffusion.holding import Holding, chosen
from genloom.diffusion.likelihood import Scoring
from genloom.diffusion.prediction import Prediction
from genloom.diffusion.process import Denoised, Level, Process
from genloom.distributions.likelihoods.gaussian import Gaussian
from genloom.distributions.outputs.draws import Draws, drawn
from genloom.errors import ConfigError
from genloom.models.abilities import Completes, Conditions, Denoises, Forecasts, Samples, Scores, Simulates
from genloom.models.first_stage import FirstStage
from genloom.models.training.averaging import average_of
from genloom.models.training.family import Family, frozen
from genloom.models.training.passes import Passes
from genloom.networks.denoiser.base import DenoiserNetwork
from genloom.objectives.denoising import Denoising
from genloom.objectives.loss import Loss
from genloom.precision import exact
from genloom.spec import Spec

_STEPS = 250  # of a model that is drawn from without a sampler of its own
_DRAWS = 100  # of each future, likewise
_AGAIN = 5  # times that each of fewer steps is taken where a part is known


class Diffusion(Family):
    """A denoiser of some process.

    Args:
        spec: the data's.
        network: called as ``network(spec)``.
        process: how content is noised.
        prediction: what the network says.
        objective: what is minimised.
        first_stage: a trained model of the same content, whose latents are noised in its place; None noises the content
            itself. A configuration names its checkpoint.
        scoring: how it says how probable content is; None says nothing of it.
        **family: see :class:`~genloom.models.training.family.Family`; the optimizer is ``denoiser``.

    Raises:
        ConfigError: parts that do not fit; both keys are named.
    """

    kind = (Values, SeriesContent)
    counted_player = "denoiser"
    carries = ("first_stage",)

    def __init__(
        self,
        spec: Spec,
        *,
        network: Callable[[Spec], DenoiserNetwork],
        process: Process,
        prediction: Prediction,
        objective: Denoising,
        first_stage: str | Family | None = None,
        scoring: Scoring | None = None,
        **family: Any,
    ) -> None:
        super().__init__(spec, **family)
        if isinstance(first_stage, str):
            raise ConfigError(f"model.first_stage: {first_stage!r} is a path; give genloom.load(path)")
        self.latents = FirstStage(first_stage, spec) if first_stage is not None else None
        self.process = process
        self.prediction = prediction
        self.objective = objective
        self.scoring = scoring
        if prediction.needs_content and not float(process.level(torch.ones(())).alpha):
            raise ConfigError(
                f"model.prediction: {type(prediction).__name__} says nothing where model.process has noise alone, as "
                f"{type(process).__name__} has at its end; choose prediction@model.prediction=velocity, or "
                "process@model.process=linear"
            )
        self.denoiser = network(self.latents.spec_of_codes(spec) if self.latents else spec).to(
            memory_format=torch.channels_last
        )
        self.denoiser.check(prediction)
        if self.denoiser.found and (described := self.identity.get("model")):
            self.identity["model"] = {**described, "network": {**described["network"], **self.denoiser.found}}
        objective.check(prediction, self.denoiser)
        self.check_dropped(self.denoiser.conditions)
        if self.ema_half_life_examples is not None:
            self.denoiser_ema = average_of(self.denoiser)

    def players(self) -> dict[str, nn.Module]:
        """The denoiser."""
        return {"denoiser": self.denoiser}

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """The denoiser's average."""
        return {} if self.ema_half_life_examples is None else {"denoiser": (self.denoiser_ema, self.denoiser)}

    @property
    def abilities(self) -> frozenset[type]:
        """It denoises and samples, of what its network is told; of content itself it completes, and scores where that
        has a density. Of histories, which nobody makes up, it forecasts.
        """
        if "history" in self.conditions:
            return frozenset({Denoises, Forecasts, Simulates})
        offered = {Samples, Denoises} | ({Conditions} if self.conditions else set())
        if self.latents is None:
            offered |= {Completes} | ({Scores} if self.scoring and self.spec.content.has_density else set())
        return frozenset(offered)

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """Those of the data that the network is told, or the first stage."""
        first = self.latents.model.conditions if self.latents else ()
        return {name: self.spec.given[name] for name in dict.fromkeys((*self.denoiser.conditions, *first))}

    @property
    def carried(self) -> Mapping[str, Family]:
        """The first stage."""
        return {"first_stage": self.latents.model} if self.latents else {}

    # What is noised

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Of the content, or of its latents."""
        return tuple(self.latents.mean.shape) if self.latents else self.spec.content.shape

    def codes(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        """Return the content of examples, or its latents."""
        batch = batch.to(self.device)
        return self.latents.codes(batch) if self.latents else batch.content

    def of_codes(self, codes: Float[Tensor, "batch ..."], given: Given) -> Batch:
        """Return content, or what latents stand for."""
        return self.generated(self.latents.content(codes, given) if self.latents else codes, given)

    # Training

    def on_train_start(self) -> None:
        """Find out how latents are normalised."""
        super().on_train_start()
        if self.latents:
            self.latents.fit(Passes(self.trainer, self.spec, "train"))

    def iterate(self, batch: Batch) -> dict[str, Tensor]:
        """Update the denoiser."""
        parts = enumerate(batch.chunks(self.accumulation))
        return self.step("denoiser", ({"objective": self._loss(part, number)} for number, part in parts))

    def _loss(self, batch: Batch, part: int) -> Loss:
        # ranks may differ by one example; of fewer numbers than are drawn, all but the last sixteen are the same
        num = len(batch) * self.world_size + self.world_size - 1 + 16
        drawn = self.objective.draw(num, self.process, self.rng("level", part))
        levels = tuple(Level(*(self.mine(each)[: len(batch)] for each in level)) for level in drawn)
        rng = self.rng("noise", part)
        noise = torch.randn(num, *self.code_shape, generator=rng, device=rng.device)
        return self.objective(self, self.codes(batch), levels, self.mine(noise)[: len(batch)], batch.given, batch.mask)

    def said(
        self, noised: Tensor, level: Level, given: Given, until: Level | None = None
    ) -> Float[Tensor, "batch ..."]:
        """Return what the network says of noised content, or on the way to ``until`` if it jumps, with gradients."""
        return self._said(self.denoiser, noised, level, given, until)

    def _said(
        self, network: DenoiserNetwork, noised: Tensor, level: Level, given: Given, until: Level | None = None
    ) -> Tensor:
        here, *there = (Level(each.alpha.flatten(), each.sigma.flatten()) for each in (level, until) if each)
        return exact(network(self.prediction.input_scale(level) * noised, here, given, *there[: self.denoiser.jumps]))

    # Use

    def denoise(
        self,
        noised: Float[Tensor, "batch ..."],
        level: Level,
        given: Given = NOTHING,
        until: Level | None = None,
    ) -> Denoised:
        """Return the codes and the noise that are expected in noised codes, in evaluation mode."""
        with self.evaluating(self.denoiser) as network:
            return self._denoised(network, noised, level, given, until)

    def _denoised(
        self, network: DenoiserNetwork, noised: Tensor, level: Level, given: Given, until: Level | None = None
    ) -> Denoised:
        said = self._said(network, noised, level, given, until)
        return self.prediction.denoised(noised, said, level, self.process)

    def sample(self, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` examples by the probability flow, in 250 steps of order 1; a sampler needs fewer."""
        given = self.draw_given(num, rng, given)
        noise = torch.randn(num, *self.code_shape, generator=rng).to(self.device)
        levels = self._levels(_STEPS)
        noised = levels.at(0).like(noise).sigma * noise
        for step in range(_STEPS):
            here, there = levels.at(step).like(noised), levels.at(step + 1).like(noised)
            noised = there.noised(*self.denoise(noised, here, given))
        return self.of_codes(noised, given)

    def forecast(self, history: History) -> Draws:
        """Return a hundred futures of each history, drawn as :meth:`sample` does; a sampler is faster."""
        history = history.map(lambda tensor: tensor.to(self.device))
        return drawn(self.sample, history, _DRAWS, randomness.generator(self.seed, "forecast"))

    def complete(
        self,
        content: Float[Tensor, "batch ..."],
        known: Bool[Tensor, "batch ..."],
        *,
        rng: torch.Generator,
        allowed: Bool[Tensor, "batch ..."] | None = None,
        given: Given | None = None,
    ) -> Batch:
        """Return the examples with what is not known drawn given what is, in 50 steps that are taken five times each;
        see ``Completes`` and :class:`~genloom.diffusion.holding.Holding`.
        """
        given = self.draw_given(len(content), rng, given)
        holding = Holding(content.to(self.device), known.to(self.device))
        noise = torch.randn(content.shape, generator=rng).to(self.device)
        levels = self._levels(_STEPS // _AGAIN)
        denoise = partial(self.denoise, given=given)
        completed = holding.completed(denoise, noise, levels, _AGAIN, rng)
        return self.generated(chosen(completed, allowed), given)

    def _levels(self, steps: int) -> Level:
        """Return so many levels at uniform times, and that of clean content."""
        levels = self.process.level(torch.linspace(1, 0, steps + 1, dtype=torch.float64))
        clean = torch.arange(steps + 1) == steps
        return Level(levels.alpha.masked_fill(clean, 1.0), levels.sigma.masked_fill(clean, 0.0))

    @property
    def likelihood_measure(self) -> str:
        """What log-likelihoods are of."""
        return Gaussian.measure if self.spec.content.alphabet is None else "probability"

    @property
    def likelihood_kind(self) -> str:
        """A bound or an estimate, as it is scored."""
        return "none" if self.scoring is None else self.scoring.kind

    def log_prob(self, batch: Batch, *, num_samples: int, rng: torch.Generator) -> Float[Tensor, " batch"]:
        """Return log p(x), nats, averaged over ``num_samples`` draws, which make it steadier and no tighter."""
        assert self.scoring is not None
        batch = batch.to(self.device)
        alphabet = self.spec.content.alphabet
        with self.evaluating(self.denoiser, differentiable=True) as network, frozen(network):
            return self.scoring(
                lambda noised, level: self._denoised(network, noised, level, batch.given),
                batch.content,
                self.process,
                alphabet=alphabet,
                num=num_samples,
                rng=rng,
            )
