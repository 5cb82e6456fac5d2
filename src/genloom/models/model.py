"""What a trained model can be asked: samples, latents, codes, reconstructions, likelihoods, by one of its weight sets.

Commands, metrics and callbacks call these methods after looking at :attr:`GenerativeModel.capabilities`; a method that
belongs to a capability is overridden by the families that offer it, and raises NotImplementedError in the others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from genloom.batch import Batch, Condition, History, ImageBatch, Label, Latent
from genloom.capabilities import Capability
from genloom.distributions.outputs.base import Prediction
from genloom.errors import ConfigError
from genloom.outlook import LEVELS, Forecast
from genloom.samplers.tokens import TokenSampler
from genloom.spec import Content, ImageContent, Spec, VectorContent

Module = TypeVar("Module", bound=nn.Module)


class GenerativeModel(LightningModule):
    """A model of some data.

    Attributes:
        contents: what the data may hold.

    Args:
        spec: the data's.

    Raises:
        ConfigError: the data holds something else.
    """

    contents: ClassVar[tuple[type[Content], ...]] = (ImageContent, VectorContent)

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        if not isinstance(spec.content, self.contents):
            served = " or ".join(kind.__name__ for kind in self.contents)
            raise ConfigError(
                f"model: {type(self).__name__} is a model of {served}, and data.name={spec.name} holds "
                f"{type(spec.content).__name__}; choose model=text/… for data=text, model=series/… for data=series, "
                "another for pictures and points"
            )
        self.spec = spec

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; not as a possible part of the module where Lightning notes the name of every hook."""
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this model can do, computed from the parts it was built of."""
        raise NotImplementedError

    def sample(
        self,
        num: int,
        *,
        rng: torch.Generator,
        condition: Condition | None = None,
        weights: str | None = None,
        truncation: float | None = None,
    ) -> Batch:
        """Return ``num`` generated examples, in evaluation mode; for families that offer Sample.

        Args:
            num: how many.
            rng: on the CPU, so that the same numbers are drawn on every device.
            condition: what they shall be; None draws that as it is in the data.
            weights: which weight set; None is the default.
            truncation: share of the distance from the mean latent that is kept; needs Truncate.
        """
        latent = self.draw_latent(num, rng, weights)
        if condition is None:
            condition = self.draw_condition(num, rng)
        else:
            latent = self.with_condition(latent, condition)
        if truncation is not None:
            latent = self.truncate(self.embed(latent, condition, weights), truncation, weights)
        return self.decode(latent, condition=condition, weights=weights)

    def with_condition(self, latent: Latent, condition: Condition) -> Latent:
        """Return a latent that agrees with what is asked for."""
        return latent

    def draw_latent(self, num: int, rng: torch.Generator, weights: str | None = None) -> Latent:
        """Return ``num`` latents on the model's device; for families that offer Sample."""
        raise NotImplementedError

    def embed(self, latent: Latent, condition: Condition | None = None, weights: str | None = None) -> Latent:
        """Return what the synthesis really sees of a drawn latent; for families that offer Latent, as the next."""
        raise NotImplementedError

    def interpolate(self, start: Latent, end: Latent, weight: float) -> Latent:
        """Return the latents a share ``weight`` of the way from ``start`` to ``end``."""
        raise NotImplementedError

    def decode(self, latent: Latent, *, condition: Condition | None = None, weights: str | None = None) -> Batch:
        """Return the content of ``latent``, drawn or embedded."""
        raise NotImplementedError

    @property
    def conditional(self) -> bool:
        """Whether the model is told a class."""
        return False

    def encode(self, batch: Batch, *, weights: str | None = None) -> Latent:
        """Return the most typical latent of each example; for families that offer Encode."""
        raise NotImplementedError

    @property
    def num_codes(self) -> int | None:
        """Size of the codebook that :meth:`encode` chooses from; None if latents are no codes."""
        return None

    def reconstruct(self, batch: Batch, *, weights: str | None = None) -> Batch:
        """Return what is left of each example after encoding and decoding; for families that offer Reconstruct."""
        raise NotImplementedError

    @property
    def likelihood_measure(self) -> str:
        """What :meth:`log_prob` is of: ``probability``, or the scale of a density; for families that offer Score."""
        raise NotImplementedError

    def bounds(self, batch: Batch, *, rng: torch.Generator, weights: str | None = None) -> dict[str, Tensor]:
        """Return the parts of the evidence lower bound; for families that offer Score, as the next."""
        raise NotImplementedError

    def log_prob(
        self, batch: Batch, *, num_samples: int, rng: torch.Generator, weights: str | None = None
    ) -> Float[Tensor, " batch"]:
        """Return a lower bound on the log-likelihood of each example, nats, by ``num_samples`` importance samples."""
        raise NotImplementedError

    def predict(self, batch: Batch, *, weights: str | None = None) -> Prediction:
        """Return what the model says of the content of each example, before seeing it; for families that offer Forecast
        or Continue.
        """
        raise NotImplementedError

    def forecast(
        self,
        history: History,
        *,
        levels: Sequence[float] = LEVELS,
        num_paths: int = 0,
        rng: torch.Generator | None = None,
        weights: str | None = None,
    ) -> Forecast:
        """Return what comes after each history; for families that offer Forecast.

        Args:
            history: of each series.
            levels: of the quantiles, for models that know them.
            num_paths: draws, for models that know quantiles; 0 draws none.
            rng: of the draws.
            weights: which weight set; None is the default.
        """
        raise NotImplementedError

    def generate(
        self,
        tokens: Int[Tensor, "batch prefix"],
        num_tokens: int,
        *,
        rng: torch.Generator,
        sampler: TokenSampler | None = None,
        weights: str | None = None,
    ) -> Iterator[Int[Tensor, " batch"]]:
        """Yield the next token of each text, so many times; for families that offer Continue.

        Args:
            tokens: what the texts begin with.
            num_tokens: to be drawn.
            rng: on the CPU, so that the same tokens are drawn on every device.
            sampler: how; None draws from the model's own distribution.
            weights: which weight set; None is the default.
        """
        raise NotImplementedError

    def attention(
        self, batch: Batch, *, weights: str | None = None
    ) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each position looks at each other one, averaged over heads.

        For families that offer Attend.
        """
        raise NotImplementedError

    def draw_condition(self, num: int, rng: torch.Generator) -> Condition | None:
        """Return what ``num`` samples are asked to be, classes as frequent as in the data; None if nothing is asked."""
        if not self.conditional:
            return None
        labels = self.spec.labels
        assert labels is not None  # checked when the networks were built
        counts = torch.tensor(labels.counts or [1] * len(labels.classes), dtype=torch.float64)
        index = torch.multinomial(counts, num, replacement=True, generator=rng)
        return Label(index.to(self.device))

    def condition_on(self, names: Sequence[str], num: int) -> Condition:
        """Return a condition for ``num`` samples, dealt to the named classes in turn; for those that offer Condition.

        Raises:
            ConfigError: a name is not among :attr:`condition_names`.
        """
        known = self.condition_names
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise ConfigError(f"classes: {', '.join(unknown) or 'none'} is not among {', '.join(known)}")
        index = torch.tensor([known.index(name) for name in names])[torch.arange(num) % len(names)]
        return self._asked(index.to(self.device))

    def _asked(self, index: Tensor) -> Condition:
        return Label(index)

    @property
    def condition_names(self) -> tuple[str, ...]:
        """What :meth:`condition_on` knows: the data's classes, or the numbered values of a code."""
        return self.spec.labels.classes if self.spec.labels is not None else ()

    def truncate(self, latent: Latent, psi: float, weights: str | None = None) -> Latent:
        """Return an embedded latent nearer to the mean; for families that offer Truncate."""
        raise NotImplementedError

    def latent_directions(self, num: int, weights: str | None = None) -> tuple[str, Tensor]:
        """Return the name of an embedded latent, and unit directions in it with shape (num, dim) that change the
        content most; for families that offer Directions.
        """
        raise NotImplementedError

    # Weight sets

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """Return (average, source) pairs of modules, made by :meth:`make_average`."""
        return {}

    @property
    def weight_sets(self) -> tuple[str, ...]:
        """Names that ``weights=`` accepts; the first is the default."""
        return ("ema", "raw") if self.averaged() else ("raw",)

    @contextmanager
    def evaluating(self, source: Module, weights: str | None) -> Iterator[Module]:
        """Yield ``source`` or its average, whichever ``weights`` names, in evaluation mode and without gradients.

        Raises:
            ConfigError: the model holds no such weights.
        """
        network = self.weights_of(source, weights)
        training = network.training
        network.eval()
        try:
            with torch.inference_mode():
                yield network
        finally:
            network.train(training)

    def weights_of(self, source: Module, weights: str | None) -> Module:
        """Return ``source`` or its average, whichever ``weights`` names; None is the default."""
        chosen = weights or self.weight_sets[0]
        if chosen not in self.weight_sets:
            raise ConfigError(f"weights: {chosen!r} is not in this model, which holds {', '.join(self.weight_sets)}")
        averages = [average for average, origin in self.averaged().values() if origin is source]
        return averages[0] if chosen == "ema" else source  # pyright: ignore[reportReturnType]

    def to_device(self, latent: Latent) -> Latent:
        """Return what was drawn, on the model's device."""
        return {name: drawn.to(self.device) for name, drawn in latent.items()}

    def generated(self, content: Tensor, condition: Condition | None) -> Batch:
        """Return generated content as a batch of the spec's kind."""
        index = torch.full((len(content),), -1, device=content.device)
        kind = ImageBatch if isinstance(self.spec.content, ImageContent) else Batch
        return kind(content=content, index=index, condition=condition)
