"""What every family shares: optimizers and schedules by name, one step = one iteration, averaged weights, keyed noise.

A family is one LightningModule. It owns the training step, so clipping, gradient accumulation and averaging live here
(Lightning refuses the first two under manual optimization).
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from genloom import randomness
from genloom.batch import Batch, Condition, ImageBatch, Label, Latent
from genloom.capabilities import Capability
from genloom.errors import ConfigError, TrainingError
from genloom.objectives.loss import Loss
from genloom.spec import ImageContent, Spec

OptimizerFactory = Callable[[Iterator[nn.Parameter]], Optimizer]
SchedulerFactory = Callable[..., Any]
Module = TypeVar("Module", bound=nn.Module)


class Family(LightningModule):
    """Base of the families.

    Args:
        spec: the data's.
        optimizer: a factory per player; the names must be those of :meth:`players`.
        scheduler: called as ``scheduler(optimizer, total_iterations=…)``: one for all optimizers, or some by the names
            of their players; None keeps the rates.
        accumulation: batches whose gradients are averaged before an update.
        gradient_clip_norm: limit of each player's gradient norm; None clips nothing.
        ema_half_life_examples: after so many examples an old weight counts half in the average; None keeps none.
        seed: the run's; every random number of training is keyed by it.
    """

    #: The player whose update counts as the iteration.
    counted_player: str

    def __init__(
        self,
        spec: Spec,
        *,
        optimizer: Mapping[str, OptimizerFactory],
        scheduler: SchedulerFactory | Mapping[str, SchedulerFactory] | None = None,
        accumulation: int = 1,
        gradient_clip_norm: float | None = None,
        ema_half_life_examples: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        for name, value in (("accumulation", accumulation), ("ema_half_life_examples", ema_half_life_examples or 1)):
            if value < 1:
                raise ConfigError(f"model.{name}: {value} is below the limit of 1")
        self.spec = spec
        self.seed = seed
        self.accumulation = accumulation
        self.gradient_clip_norm = gradient_clip_norm
        self.ema_half_life_examples = ema_half_life_examples
        self._optimizer_factories = optimizer
        self._schedulers = scheduler
        self.gradient_norms: dict[str, Tensor] = {}
        self.identity: dict[str, Any] = {}  # what a checkpoint says about the model: plain dicts
        self.iteration = 0  # updates of the counted player before this batch

    # What a family says about itself

    def players(self) -> dict[str, nn.Module]:
        """Return the modules that are trained, by the name of their optimizer."""
        raise NotImplementedError

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this model can do, computed from the parts it was built of."""
        raise NotImplementedError

    @property
    def batches_per_iteration(self) -> int:
        """Batches of ``data.batch_size`` that one iteration consumes."""
        return self.accumulation

    @property
    def weight_sets(self) -> tuple[str, ...]:
        """Names that ``weights=`` accepts; the first is the default."""
        return ("raw",) if self.ema_half_life_examples is None else ("ema", "raw")

    @property
    def is_continuation(self) -> bool:
        """Whether training makes sense only from the weights of an earlier model."""
        return False

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
        latent = self.draw_latent(num, rng)
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

    def draw_latent(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents on the model's device; for families that offer Latent, as the next two."""
        raise NotImplementedError

    def embed(self, latent: Latent, condition: Condition | None = None, weights: str | None = None) -> Latent:
        """Return what the synthesis really sees of a drawn latent."""
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

    def draw_condition(self, num: int, rng: torch.Generator) -> Condition | None:
        """Return what ``num`` samples are asked to be, classes as frequent as in the data; None if nothing is asked."""
        if not self.conditional:
            return None
        assert self.spec.condition is not None  # checked when the networks were built
        counts = torch.tensor(self.spec.condition.counts or [1] * len(self.spec.condition.classes), dtype=torch.float64)
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
        return self.spec.condition.classes if self.spec.condition is not None else ()

    def truncate(self, latent: Latent, psi: float, weights: str | None = None) -> Latent:
        """Return an embedded latent nearer to the mean; for families that offer Truncate."""
        raise NotImplementedError

    def latent_directions(self, num: int, weights: str | None = None) -> tuple[str, Tensor]:
        """Return the name of an embedded latent, and unit directions in it with shape (num, dim) that change the
        content most; for families that offer Directions.
        """
        raise NotImplementedError

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the model."""
        checkpoint["genloom"] = {**self.identity, "spec": self.spec.to_dict(), "seed": self.seed}

    # Weight sets

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

    # Optimization

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        """Build one optimizer and one schedule per player, in the order of :meth:`players`."""
        players = self.players()
        if set(players) != set(self._optimizer_factories):
            raise ConfigError(
                f"optimizer: {', '.join(sorted(self._optimizer_factories))} does not fit this model, "
                f"which needs {', '.join(sorted(players))}"
            )
        optimizers = {
            name: self._optimizer_factories[name](
                parameter for parameter in module.parameters() if parameter.requires_grad
            )
            for name, module in players.items()
        }
        schedulers = self._schedulers or {}
        if not isinstance(schedulers, Mapping):
            schedulers = dict.fromkeys(players, schedulers)
        if not schedulers.keys() <= players.keys():
            unknown = ", ".join(sorted(schedulers.keys() - players.keys()))
            raise ConfigError(
                f"scheduler: {unknown} is no player of this model, which has {', '.join(sorted(players))}"
            )
        total = int(self.trainer.estimated_stepping_batches) if schedulers else 0
        schedules = [factory(optimizers[name], total_iterations=total) for name, factory in schedulers.items()]
        return list(optimizers.values()), schedules

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Key what draws from the global generators, dropout for one, by (seed, iteration, rank)."""
        self.iteration = self.global_step
        randomness.seed_globally(self.seed, "global", self.iteration, self.global_rank)

    def rng(self, purpose: str, *names: int | str) -> torch.Generator:
        """Return this iteration's generator for ``purpose``, the same on every rank."""
        return randomness.generator(self.seed, purpose, self.iteration, *names, device=self.device)

    def mine(self, drawn: Tensor) -> Tensor:
        """Return this rank's rows of something drawn for the global batch."""
        return drawn[self.global_rank :: self.trainer.world_size] if self._trainer else drawn

    @property
    def world_size(self) -> int:
        """Number of training processes."""
        return self.trainer.world_size if self._trainer else 1

    def step(self, player: str, losses: Iterable[Mapping[str, Loss]]) -> dict[str, Tensor]:
        """Update one player and return its losses and their terms for the log.

        Args:
            player: whose optimizer steps.
            losses: the named losses of each accumulated batch; they are summed and backpropagated, divided by
                ``accumulation``, before the next batch's are computed.

        Raises:
            TrainingError: a loss is NaN or infinite; raised before the update.
        """
        optimizers = self.optimizers()
        optimizer = (optimizers if isinstance(optimizers, list) else [optimizers])[list(self.players()).index(player)]
        optimizer.zero_grad()
        logged: dict[str, Tensor] = {}
        for named in losses:
            total = torch.stack([loss.total for loss in named.values()]).sum()
            if not torch.isfinite(total):
                self._stop_at(player, named)
            self.manual_backward(total / self.accumulation)
            logged[f"{player}/loss"] = total.detach()
            for name, loss in named.items():
                logged[f"{player}/{name}"] = loss.total.detach()
                logged.update({f"{player}/{term}": value for term, value in loss.terms.items()})
        if player == self.counted_player:
            optimizer.step()
        else:  # the inner optimizer, so that Lightning does not count this update as a step
            plugin = self.trainer.precision_plugin
            plugin.optimizer_step(optimizer.optimizer, model=self, closure=lambda: None)  # pyright: ignore
        return logged

    def _stop_at(self, player: str, losses: Mapping[str, Loss]) -> None:
        bad = {name: loss.total.item() for name, loss in losses.items() if not torch.isfinite(loss.total)}
        raise TrainingError(
            f"iteration {self.iteration}: the {player}'s loss is not finite ({bad}); "
            f"lower optimizer.{player}.lr or set model.gradient_clip_norm"
        )

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip, and remember the norm before clipping."""
        name, module = list(self.players().items())[self.trainer.optimizers.index(optimizer)]
        scale = self._gradient_scale(optimizer)
        if self.gradient_clip_norm is not None:
            limit = self.gradient_clip_norm * scale
            self.gradient_norms[name] = nn.utils.clip_grad_norm_(module.parameters(), limit) / scale
        elif self.logs_now:
            gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
            self.gradient_norms[name] = nn.utils.get_total_norm(gradients) / scale

    def _gradient_scale(self, optimizer: Optimizer) -> float:
        """Return the factor that 16-mixed left on the gradients: fused optimizers divide by it themselves."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is None or not getattr(optimizer, "_step_supports_amp_scaling", False):
            return 1.0
        return scaler.get_scale()

    def finish_iteration(self, logged: dict[str, Tensor], examples: int) -> None:
        """Average the weights, advance the schedules and log, once per iteration."""
        self.average_weights(examples)
        schedules: Any = self.lr_schedulers() or []
        for schedule in schedules if isinstance(schedules, list) else [schedules]:
            schedule.step()
        if self.logs_now:
            norms = {f"{name}/gradient_norm": norm for name, norm in self.gradient_norms.items()}
            self.log_dict({f"train/{name}": value for name, value in (logged | norms).items()})

    @property
    def logs_now(self) -> bool:
        """Whether this iteration is written to the log."""
        return (self.iteration + 1) % self.trainer.log_every_n_steps == 0  # pyright: ignore

    # Averaged weights

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """Return (average, source) pairs of modules, made by :meth:`make_average`."""
        return {}

    @staticmethod
    def make_average(source: nn.Module) -> nn.Module:
        """Return a frozen copy that will follow ``source``."""
        return copy.deepcopy(source).requires_grad_(False)

    @torch.no_grad()
    def average_weights(self, examples: int) -> None:
        """Move each average towards its source: weights and floating-point statistics alike.

        The half-life grows with the examples seen, up to its limit, so that a short run is not judged by its start
        (Karras et al., StyleGAN2, 2020, call this the ramp-up).
        """
        if self.ema_half_life_examples is None:
            return
        seen = (self.iteration + 1) * examples
        half_life = min(self.ema_half_life_examples, 0.05 * seen)
        weight = 1.0 - 0.5 ** (examples / half_life)
        for average, source in self.averaged().values():
            targets = [*average.parameters(), *(b for b in average.buffers() if b.is_floating_point())]
            sources = [*source.parameters(), *(b for b in source.buffers() if b.is_floating_point())]
            torch._foreach_lerp_(targets, sources, weight)  # pyright: ignore[reportPrivateImportUsage]
            for to, origin in zip(average.buffers(), source.buffers(), strict=True):
                if not to.is_floating_point():
                    to.copy_(origin)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Keep ``module``'s parameters out of the gradient while the other player moves."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
