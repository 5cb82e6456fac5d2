"""What a model can be asked. Commands, metrics and looks ask for abilities, never for families.

An ability is a protocol: methods that belong together, with what they promise. Some are more than another, and have
what it has too. A class may have the methods of an ability that the model does not offer, because of the parts that it
was built of; so ask :func:`offers`, not ``isinstance``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, TypeGuard, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genloom.batch import NOTHING, Batch, Given, History, Latent
from genloom.contents.condition import Condition
from genloom.diffusion.process import Denoised, Level, Process
from genloom.distributions.outputs.base import Prediction
from genloom.errors import CapabilityError
from genloom.examples import Examples
from genloom.spec import Spec

Ability = TypeVar("Ability")
Same = TypeVar("Same")


class Sampling(Protocol):
    """How to draw from a model, as a model sees it; :mod:`genloom.samplers` holds the classes.

    Attributes:
        needs: the ability by which it draws.
    """

    needs: ClassVar[type]

    @property
    def protocol(self) -> dict[str, Any]:
        """What a number says of it that was taken of its draws: plain data."""
        ...

    def draw(self, model: Any, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` examples drawn of a model that offers what is needed."""
        ...


@runtime_checkable
class Editing(Sampling, Protocol):
    """A way to draw that begins at given examples, or keeps a part of them."""

    def edit(
        self,
        model: Any,
        content: Float[Tensor, "batch ..."],
        known: Bool[Tensor, "batch ..."],
        *,
        rng: torch.Generator,
        strength: float = 1.0,
        resample: int = 1,
        allowed: Bool[Tensor, "batch ..."] | None = None,
        given: Given | None = None,
    ) -> Batch:
        """Return the examples drawn anew but for what is known.

        Args:
            model: with the weights that shall draw.
            content: as the model sees it.
            known: of the same shape, true where the content stays.
            rng: on the CPU.
            strength: how much of the rest is drawn, above 0: with 1 nothing is left of it.
            resample: how often each step is taken, so that the rest fits what is known.
            allowed: of the same shape; false at a choice that is not to be made. None allows all.
            given: what each of them is given; what is missing is as it is in the data.
        """
        ...


@runtime_checkable
class Model(Protocol):
    """What every model says of itself.

    Attributes:
        spec: of the data that it is a model of.
        seed: the run's.
        sampler: how commands, looks and judges draw from it; None is its own distribution.
    """

    spec: Spec
    seed: int
    sampler: Sampling | None

    @property
    def device(self) -> torch.device:
        """Where the model is; what its methods return is there, too."""
        ...

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """What the model can be given, by name; of what is drawn without, it is as in the data."""
        ...

    @property
    def drop_given(self) -> Mapping[str, float]:
        """With what probability the model was trained without being told a condition, by name; it can be asked so."""
        ...

    @property
    def abilities(self) -> frozenset[type]:
        """Which of the other protocols of this module the model offers, computed from the parts it was built of."""
        ...

    @property
    def weight_sets(self) -> tuple[str, ...]:
        """The names that :meth:`using` accepts; the first is the default."""
        ...

    @property
    def weights(self) -> str:
        """The name of the weight set that all methods use."""
        ...

    def using(self: Same, weights: str | None) -> Same:
        """Return the model with one of its weight sets, which all methods then use; the model itself stays as it is.

        Both share their modules. All else is as it is now: ask again after the model went to another device.

        Args:
            weights: a name of :attr:`weight_sets`; None is the default.

        Raises:
            ConfigError: the model holds no such weights.
        """
        ...

    def taking(self: Same, examples: Examples) -> Same:
        """Return the model, with real examples whose conditions it takes where they cannot be drawn; the model itself
        stays as it is.

        Args:
            examples: stored, with the conditions that the model is told.
        """
        ...

    def generated(self, content: Tensor, given: Given) -> Batch:
        """Return generated content as a batch of the spec's kind."""
        ...


@runtime_checkable
class Samples(Model, Protocol):
    """Draws examples."""

    def sample(self, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` examples of the model's own distribution, whatever its sampler, in evaluation mode.

        Content is as the model sees it, images in [-1, 1]; :func:`genloom.models.generation.draw` goes by the sampler.

        Args:
            num: how many.
            rng: on the CPU, so that the same numbers are drawn on every device.
            given: what each of them is given; what is missing is as it is in the data.
        """
        ...

    def draw_given(self, num: int, rng: torch.Generator, known: Given | None = None) -> Given:
        """Return what ``num`` samples are given: what is known, and the rest as it is in the data.

        Raises:
            ConfigError: a condition cannot be drawn, and there are no real examples to take it from.
        """
        ...


@runtime_checkable
class Conditions(Samples, Protocol):
    """Draws what it is given: of a class, or of a value of a learned code, of a picture, after a prompt."""


@runtime_checkable
class Completes(Samples, Protocol):
    """Fills what is missing of an example, given the rest."""

    def complete(
        self,
        content: Float[Tensor, "batch ..."],
        known: Bool[Tensor, "batch ..."],
        *,
        rng: torch.Generator,
        allowed: Bool[Tensor, "batch ..."] | None = None,
        given: Given | None = None,
    ) -> Batch:
        """Return the examples with what is not known drawn given what is, in evaluation mode.

        Args:
            content: as the model sees it; whatever it is where it is not known.
            known: of the same shape, true where the content is known, which stays.
            rng: on the CPU, so that the same numbers are drawn on every device.
            allowed: of the same shape; false at a choice that is not to be made. None allows all.
            given: the conditions of each of them, of a model that has some; what is missing is as it is in the data.
        """
        ...


@runtime_checkable
class Denoises(Samples, Protocol):
    """Tells content from noise, at any level of noise.

    What is noised is the content; or, under latent diffusion, codes of it.

    Attributes:
        process: how content is noised.
    """

    process: Process

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Of what is noised of one example."""
        ...

    def codes(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        """Return what is noised of examples, on the model's device."""
        ...

    def of_codes(self, codes: Float[Tensor, "batch ..."], given: Given) -> Batch:
        """Return the examples that codes, clean ones, stand for."""
        ...

    def denoise(
        self,
        noised: Float[Tensor, "batch ..."],
        level: Level,
        given: Given = NOTHING,
        until: Level | None = None,
    ) -> Denoised:
        """Return the codes and the noise that are expected in noised codes, in evaluation mode.

        Args:
            noised: α · codes + σ · noise.
            level: one, or one per example, with as many axes as ``noised``; its σ is above 0.
            given: what the content is given.
            until: a level of less noise, to which the codes are brought at once: the velocity of what is returned is
                then the mean one on the way, if the model has learned such jumps; others say what they say without.
        """
        ...


@runtime_checkable
class Decodes(Model, Protocol):
    """Has latents that stand for content; what :class:`HasLatents` and :class:`Encodes` share; no model says it."""

    def decode(self, latent: Latent, given: Given = NOTHING) -> Batch:
        """Return the content of each latent, drawn, embedded or encoded, in evaluation mode; images in [-1, 1].

        Args:
            latent: by name, with shape (batch, …).
            given: what each was drawn, or encoded, with; None if nothing was given.
        """
        ...


@runtime_checkable
class HasLatents(Samples, Decodes, Protocol):
    """Has a continuous space of latents that can be walked."""

    def draw_latent(self, num: int, rng: torch.Generator) -> Latent:
        """Return latents by name, with shape (num, …); drawn on the CPU, as ``rng`` is."""
        ...

    def drawn(self, num: int, rng: torch.Generator, given: Given | None) -> tuple[Latent, Given]:
        """Return latents and what they are given, with which they agree; what is not given is as it is in the data."""
        ...

    def embed(self, latent: Latent, given: Given = NOTHING) -> Latent:
        """Return what the synthesis really sees of a drawn latent, with nothing random in it."""
        ...

    def interpolate(self, start: Latent, end: Latent, weight: float) -> Latent:
        """Return the latents a share ``weight``, 0 to 1, of the way from ``start`` to ``end``."""
        ...


@runtime_checkable
class Truncates(HasLatents, Protocol):
    """Trades variety for typicality."""

    def truncate(self, latent: Latent, psi: float) -> Latent:
        """Return an embedded latent with a share ``psi`` of its distance from the mean: 0 is the mean, 1 changes
        nothing.
        """
        ...


@runtime_checkable
class HasDirections(HasLatents, Protocol):
    """Knows what changes its content most."""

    def latent_directions(self, num: int) -> tuple[str, Tensor]:
        """Return the name of an embedded latent, and unit directions in it, those that change the content most first.

        Returns:
            The name, and directions with shape (num, dim); fewer where the latent has fewer dimensions.
        """
        ...


@runtime_checkable
class Encodes(Decodes, Protocol):
    """Finds the latent of an example."""

    @property
    def num_codes(self) -> int | None:
        """Size of the codebook that :meth:`encode` chooses from; None if latents are no codes."""
        ...

    def encode(self, batch: Batch) -> Latent:
        """Return the most typical latent of each example: by name, with shape (batch, …); codes are integers."""
        ...


@runtime_checkable
class Reconstructs(Encodes, Protocol):
    """Says what is left of an example."""

    def reconstruct(self, batch: Batch) -> Batch:
        """Return what is left of each example after encoding and decoding; images in [-1, 1]."""
        ...


@runtime_checkable
class Scores(Model, Protocol):
    """Says how probable examples are."""

    @property
    def likelihood_measure(self) -> str:
        """What :meth:`log_prob` is of: ``probability``, or the scale of a density."""
        ...

    @property
    def likelihood_kind(self) -> str:
        """What :meth:`log_prob` gives: ``exact`` numbers, a ``bound`` below them, or an ``estimate`` of one."""
        ...

    def log_prob(self, batch: Batch, *, num_samples: int, rng: torch.Generator) -> Float[Tensor, " batch"]:
        """Return the log-likelihood of each example, nats, or a lower bound; where it is exact, nothing is drawn.

        Args:
            batch: of the data.
            num_samples: draws per example: importance samples of models with latents.
            rng: of the draws, on the model's device.
        """
        ...


@runtime_checkable
class Bounds(Scores, Protocol):
    """Scores by a bound whose parts can be told apart; true of whatever offers both :class:`Scores` and
    :class:`Encodes`, and so no model says it.
    """

    def bounds(self, batch: Batch, *, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the parts of the evidence lower bound, nats.

        Args:
            batch: of the data.
            rng: of the draws, on the model's device.

        Returns:
            ``log_likelihood`` with shape (batch,), and ``kl_NAME`` per latent with shape (batch, units).
        """
        ...


@runtime_checkable
class Forecasts(Model, Protocol):
    """Says what comes after a series."""

    def forecast(self, history: History) -> Prediction:
        """Return what the model says comes after each history; in scaled units."""
        ...


@runtime_checkable
class Simulates(Forecasts, Protocol):
    """Draws whole futures of a series: the values of one belong together."""

    def sample(self, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return a future of each of ``num`` histories, of the model's own distribution, whatever its sampler.

        Args:
            num: how many.
            rng: on the CPU, so that the same numbers are drawn on every device.
            given: the histories.
        """
        ...


@runtime_checkable
class Continues(Samples, Protocol):
    """Goes on after a text."""

    def generate(
        self,
        tokens: Int[Tensor, "batch prefix"],
        num_tokens: int,
        *,
        rng: torch.Generator,
        choose: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    ) -> Iterator[Int[Tensor, " batch"]]:
        """Yield the next token of each text, so many times.

        Args:
            tokens: what the texts begin with, at least one token each.
            num_tokens: to be drawn.
            rng: on the CPU, so that the same tokens are drawn on every device.
            choose: the next token of each text, of its logits, shape (batch, size), and ``rng``; None draws from the
                model's own distribution.
        """
        ...


@runtime_checkable
class Attends(Model, Protocol):
    """Says where it looks."""

    def attention(self, batch: Batch) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each position looks at each other one, averaged over heads; each row sums to 1."""
        ...


def offers(model: Model, ability: type[Ability]) -> TypeGuard[Ability]:
    """Return whether the model has the ability."""
    return ability in model.abilities


def why_not(model: Model, needed: type) -> str | None:
    """Return None if the model offers what is needed, else a message's end that names both sides."""
    if needed in model.abilities:
        return None
    offered = ", ".join(sorted(map(short_name, model.abilities)))
    return f"needs {short_name(needed)}; this model offers {offered or 'nothing'}"


def checked(who: str, needed: type[Ability], model: Model) -> Ability:
    """Return the model, as one that offers what is needed.

    Args:
        who: needs it; the message begins so.
        needed: the ability.
        model: the one that is asked.

    Raises:
        CapabilityError: the model does not offer it; names both sides.
    """
    if offers(model, needed):
        return model
    raise CapabilityError(f"{who} {why_not(model, needed)}")


def short_name(ability: type) -> str:
    """Return what messages call an ability: Truncate, Direction."""
    return ability.__name__.removeprefix("Has").removesuffix("s")
