"""What all samplers of diffusion models share: where they start and stop, guidance, and the count of network calls."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genloom.batch import NOTHING, Batch, Given
from genloom.diffusion.holding import Holding, chosen, raised
from genloom.diffusion.process import Denoise, Denoised, Level, Process
from genloom.errors import ConfigError
from genloom.limits import Count, NonNegative
from genloom.models.abilities import Completes, Denoises, checked
from genloom.samplers.base import Sampler
from genloom.samplers.guidance import fingerprint, from_guide, from_nothing
from genloom.samplers.times import Rho, Times

#: Noised content, its level, and what was made of it.
Watch = Callable[[Float[Tensor, "batch ..."], Level, Denoised], None]
Same = TypeVar("Same", bound="DenoisingSampler")


@dataclass(frozen=True)
class DenoisingSampler(Sampler):
    """Goes from noise to content in steps; a subclass says how a path is followed from level to level.

    Args:
        steps: from level to level; the last one ends at clean content.
        times: where each step begins.
        guidance: how far what a model says goes beyond what it says when told nothing, or beyond what the guide says: 1
            is what it says, more is more typical; see :mod:`genloom.samplers.guidance`.
        guide: checkpoint of a smaller or younger model of the same data; None is the model itself, told nothing.
        guidance_from: σ/α above which nothing is guided; None is no limit. Kynkäänniemi et al., Applying Guidance in a
            Limited Interval, 2024, https://arxiv.org/abs/2404.07724.
        guidance_to: σ/α below which nothing is guided.

    Raises:
        ConfigError: a value is out of its limits.
    """

    needs = Denoises

    steps: Count = 32
    times: Times = field(default_factory=Rho)
    guidance: NonNegative = 1.0
    guide: str | None = None
    guidance_from: NonNegative | None = None
    guidance_to: NonNegative = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"sampler.steps: {self.steps} is below the limit of 1")
        if not 0 <= self.guidance < math.inf:
            raise ConfigError(f"sampler.guidance: {self.guidance} is not at least 0 and finite; 1 guides nothing")
        if not 0 <= self.guidance_to < self._guidance_from:
            raise ConfigError(
                f"sampler.guidance_to: {self.guidance_to} is not below sampler.guidance_from={self.guidance_from}"
            )

    @property
    def _guidance_from(self) -> float:
        return math.inf if self.guidance_from is None else self.guidance_from

    @abstractmethod
    def follow(
        self, denoise: Denoise, noised: Tensor, levels: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, "batch ..."]:
        """Return what noised content, of the first level, is at the last.

        Args:
            denoise: the model, guided; each call of it is one of the network, or two where it is guided.
            noised: of the first level.
            levels: in descending order, in double precision, on the CPU.
            process: of the model.
            rng: on the CPU.
        """

    def calls(self, steps: int) -> int:
        """Return how often ``steps`` steps denoise."""
        return steps

    @property
    def network_calls(self) -> int:
        """How often a network is called for an example, at most: twice where it is guided."""
        return (1 if self.guidance == 1 else 2) * self.calls(self.steps)

    @property
    def protocol(self) -> dict[str, Any]:
        """Also the number of network calls, and a guide's digest."""
        protocol = super().protocol
        values = dict(protocol["values"])
        values["times"] = {"name": type(self.times).__name__, **values["times"]}
        guide = values.pop("guide")
        if guide is not None and self.guidance != 1:
            values["guide"] = fingerprint(guide)
        return {**protocol, "values": {**values, "calls": self.network_calls}}

    def within(self: Same, calls: int) -> Same:
        """Return this sampler with as many steps as so many network calls allow, at least one."""
        steps = calls
        while steps > 1 and replace(self, steps=steps).network_calls > calls:
            steps -= 1
        return replace(self, steps=steps)

    def draw(
        self,
        model: Denoises,
        num: int,
        *,
        rng: torch.Generator,
        given: Given | None = None,
        watch: Watch | None = None,
    ) -> Batch:
        """Return ``num`` examples.

        Args:
            model: with the weights that shall draw.
            num: how many.
            rng: on the CPU.
            given: what each of them is given.
            watch: called at each level that the sampler denoises at.
        """
        model = self.checked(model)
        given = model.draw_given(num, rng, given)
        levels = self.times.levels(model.process, self.steps)
        noise = torch.randn(num, *model.code_shape, generator=rng).to(model.device)
        first = levels.at(0).like(noise)
        denoise = _watched(self.denoiser(model, given), watch)
        return model.of_codes(self.follow(denoise, first.sigma * noise, levels, model.process, rng), given)

    def edit(
        self,
        model: Denoises,
        content: Float[Tensor, "batch ..."],
        known: Bool[Tensor, "batch ..."],
        *,
        rng: torch.Generator,
        strength: float = 1.0,
        resample: int = 8,
        allowed: Bool[Tensor, "batch ..."] | None = None,
        given: Given | None = None,
    ) -> Batch:
        """Return the examples drawn anew but for what is known; see :class:`~genloom.models.abilities.Editing`.

        With a strength below 1 they begin at the given content, noised to the level from which this share of the steps
        is left: Meng et al., SDEdit, 2022, https://arxiv.org/abs/2108.01073. What is known stays by
        :class:`~genloom.diffusion.holding.Holding`.

        Raises:
            CapabilityError: something is known, and the model does not complete.
        """
        model = self.checked(model)
        some = bool(known.any())
        if some:
            checked("what is known of an example", Completes, model)
        given = model.draw_given(len(content), rng, given)
        codes = model.codes(model.generated(content, given))
        holding = Holding(codes, known.to(codes.device) if some else torch.zeros_like(codes, dtype=torch.bool))
        steps = max(1, round(strength * self.steps))
        levels = self.times.levels(model.process, self.steps).at(slice(self.steps - steps, None))
        noise = torch.randn(codes.shape, generator=rng).to(codes)
        first = levels.at(0).like(noise)
        noised = first.noised(codes, noise) if steps < self.steps else holding.begun(first, noise)
        denoise = self.denoiser(model, given)

        def held(noised: Tensor, level: Level, until: Level | None = None) -> Denoised:
            return holding.corrected(denoise(noised, level, until), noised, level)

        if some:
            for step in range(steps):
                stretch = levels.at(slice(step, step + 2))
                for again in range(resample):
                    noised = raised(noised, stretch.at(1), stretch.at(0), rng) if again else noised
                    noised = self.follow(held, noised, stretch, model.process, rng)
        else:
            noised = self.follow(denoise, noised, levels, model.process, rng)
        edited = model.of_codes(noised, given)
        return replace(edited, content=chosen(edited.content, allowed))

    def denoiser(self, model: Denoises, given: Given = NOTHING) -> Denoise:
        """Return the model as one function, guided as is wanted.

        Raises:
            GenloomError: it cannot be guided so; see :mod:`genloom.samplers.guidance`.
        """
        if self.guidance == 1:
            return lambda noised, level, until=None: model.denoise(noised, level, given, until)
        if self.guide is not None:
            pair = from_guide(model, given, self.guide)
        else:
            pair = from_nothing(model, given, self.guidance)
        limited = self.guidance_from is not None or self.guidance_to > 0

        def denoise(noised: Tensor, level: Level, until: Level | None = None) -> Denoised:
            if limited and not self.guidance_to <= float(level.ratio.max()) <= self._guidance_from:
                return model.denoise(noised, level, given, until)
            own, other = pair(noised, level, until)
            return Denoised(*(from_ + self.guidance * (to - from_) for to, from_ in zip(own, other, strict=True)))

        return denoise


def _watched(denoise: Denoise, watch: Watch | None) -> Denoise:
    if watch is None:
        return denoise

    def watched(noised: Tensor, level: Level, until: Level | None = None) -> Denoised:
        denoised = denoise(noised, level, until)
        watch(noised, level, denoised)
        return denoised

    return watched
