"""How every family trains: optimizers and schedules by name, one step = one iteration, averaged weights, keyed noise.

A family is one LightningModule. It owns the training step, so clipping, gradient accumulation and averaging live here
(Lightning refuses the first two under manual optimization).
"""

import functools
import os
import warnings
from abc import abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, TypeVar, cast

import torch
from jaxtyping import Shaped
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from genloom import devices, randomness
from genloom.batch import Batch, Given
from genloom.errors import ConfigError, GenloomError, TrainingError
from genloom.limits import Count, Positive, Share, Whole
from genloom.models.model import GenerativeModel
from genloom.models.training import averaging
from genloom.models.training.averaging import share_of_new
from genloom.models.training.capture import Capture, cuda_graphs
from genloom.models.training.continuing import Settings, capturable, follow, settings_of
from genloom.models.training.finite import Watch, not_finite
from genloom.models.training.numbers import Numbers, rates, reads_rates
from genloom.models.training.passes import Loaded, as_batch
from genloom.objectives.loss import Iteration, Loss
from genloom.precision import exactly
from genloom.spec import Spec

_WITHIN = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")  # hooks that Lightning calls there

OptimizerFactory = Callable[[Iterator[nn.Parameter]], Optimizer]
SchedulerFactory = Callable[..., Any]
Module = TypeVar("Module", bound=nn.Module)


class Family(GenerativeModel):
    """Base of the families.

    Args:
        spec: the data's.
        optimizer: a factory per player; the names must be those of :meth:`players`.
        scheduler: called as ``scheduler(optimizer, total_iterations=…)``: one for all optimizers, or some by the names
            of their players; None keeps the rates.
        accumulation: batches whose gradients are averaged before an update.
        gradient_clip_norm: limit of each player's gradient norm; None clips nothing.
        ema_half_life_examples: after so many examples an old weight counts half in the average; None keeps none.
        drop_given: by a condition's name, with what probability an example is trained without being told it; the model
            can then also be asked without it.
        seed: the run's; every random number of training is keyed by it.
        identity: what a checkpoint says of how the model came to be, beside its spec and seed: plain values.

    Raises:
        ConfigError: a value is out of its limits, or the data gives no such condition.
    """

    #: The player whose update counts as the iteration.
    counted_player: str

    #: Arguments that are models trained before: a configuration names their checkpoints, and this model's carries them.
    carries: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        spec: Spec,
        *,
        optimizer: Mapping[str, OptimizerFactory],
        scheduler: SchedulerFactory | Mapping[str, SchedulerFactory] | None = None,
        accumulation: Count = 1,
        gradient_clip_norm: Positive | None = None,
        ema_half_life_examples: Positive | None = None,
        drop_given: Mapping[str, Share] | None = None,
        seed: Whole = 0,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(spec)
        self.automatic_optimization = False
        for name, value in (("accumulation", accumulation), ("ema_half_life_examples", ema_half_life_examples or 1)):
            if value < 1:
                raise ConfigError(f"model.{name}: {value} is below the limit of 1")
        for name, probability in (drop_given or {}).items():
            if not 0 <= probability <= 1:
                raise ConfigError(f"model.drop_given.{name}: {probability} is not within 0 and 1")
        self._drop_given = dict(drop_given or {})
        self.seed = seed
        self.accumulation = accumulation
        self.gradient_clip_norm = gradient_clip_norm
        self.ema_half_life_examples = ema_half_life_examples
        self._optimizer_factories = optimizer
        self._configured: list[Settings] = []  # of each optimizer, before its schedule and a checkpoint change them
        self._schedulers = scheduler
        self.identity = dict(identity or {})
        self.has_started = False  # training, and what a checkpoint says of it is restored
        self.iteration = 0  # updates of the counted player before this batch
        self._watch = Watch(self.players, tuple(optimizer))
        self._norms: dict[str, Tensor] = {}  # of gradients, before clipping
        self._numbers = Numbers()
        self._generators = randomness.Generators()
        self._capture: Capture | None = None
        self.captured: str | None = None  # of the last training's iterations; None where there are no graphs

    # What a family says about its training

    @abstractmethod
    def players(self) -> dict[str, nn.Module]:
        """Return the modules that are trained, by the name of their optimizer."""

    @abstractmethod
    def iterate(self, batch: Batch) -> dict[str, Tensor]:
        """Update the players by :meth:`step`, once in an iteration.

        Args:
            batch: the examples of :attr:`batches_per_iteration` batches, on the model's device.

        Returns:
            What is worth logging, as :meth:`step` returns it.
        """

    @property
    def batches_per_iteration(self) -> int:
        """Batches of ``data.batch_size`` that one iteration consumes."""
        return self.accumulation

    @property
    def carried(self) -> "Mapping[str, Family]":
        """The models trained before that this one is made of, by the names of :attr:`carries`."""
        return {}

    @property
    def is_continuation(self) -> bool:
        """Whether training makes sense only from the weights of an earlier model."""
        return False

    @property
    def description(self) -> dict[str, Any]:
        """What a checkpoint says of the model, and of those that it carries."""
        carried = {name: model.description for name, model in self.carried.items()}
        return {**self.identity, "spec": self.spec.to_dict(), "seed": self.seed, "carried": carried}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to rebuild the model; refuse what is not worth keeping.

        Raises:
            TrainingError: a loss was, or a weight, a statistic, an average or a state is, NaN or infinite.
        """
        self._watch.look()
        states = {key: value for key, value in checkpoint.items() if key != "callbacks"}
        # a callback's best value so far is infinite before there is one
        best = not_finite(checkpoint.get("callbacks"), "callbacks", infinite_is_well=True)
        self._watch.check_finite(states, self.trainer.global_step, also=best)
        checkpoint["genloom"] = self.description

    # Optimization

    def configure_optimizers(self) -> tuple[list[Optimizer], list[Any]]:
        """Build one optimizer per player, in the order of their factories, and the schedules."""
        if self.device.type != "cuda":  # Lightning has each step of Adam load the driver to look for a GPU
            os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
        players = self.players()
        if set(players) != set(self._optimizer_factories):
            raise ConfigError(
                f"optimizer: {', '.join(sorted(self._optimizer_factories))} does not fit this model, "
                f"which needs {', '.join(sorted(players))}"
            )
        optimizers = {
            name: factory(parameter for parameter in players[name].parameters() if parameter.requires_grad)
            for name, factory in self._optimizer_factories.items()
        }
        if self.device.type == "cuda":
            for optimizer in optimizers.values():
                capturable(optimizer)
        self._configured = [settings_of(optimizer) for optimizer in optimizers.values()]
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

    def on_train_start(self) -> None:
        """Let a run that continues have the rates that are configured, and remember how large the weights are.

        Raises:
            ConfigError: a rate was changed under a schedule that can't follow.
        """
        schedules = {config.scheduler.optimizer: config.scheduler for config in self.trainer.lr_scheduler_configs}
        for player, optimizer, settings in zip(
            self._optimizer_factories, self.trainer.optimizers, self._configured, strict=True
        ):
            follow(player, optimizer, settings, schedules.get(optimizer))
        self._watch.start(self.device)
        self._numbers = Numbers()  # those of an earlier training would be of its optimizers
        self._capture = self.captured = None
        if devices.captures(self.device) and getattr(self.trainer, "capture", "auto") != "off":
            if (why := self._why_not_captured()) is None:
                self._capture = Capture(self._updated, lambda: self._generators.kept, cuda_graphs())
            else:
                self.captured = f"none: {why}"
                print(f"no iterations are captured as CUDA graphs: {why}", flush=True)

    def on_train_end(self) -> None:
        """Look at what the last updates made, before anything is drawn or saved of it.

        Raises:
            TrainingError: see :meth:`on_save_checkpoint`.
        """
        if self._capture is not None:
            self.captured = self._capture.summary
        self._capture, self._generators = None, randomness.Generators()  # neither of which can be copied with the model
        self._watch.look()
        states = [optimizer.state_dict() for optimizer in self.trainer.optimizers]
        content = {"state_dict": self.state_dict(), "optimizer_states": states}
        self._watch.check_finite(content, self.trainer.global_step)

    def on_train_batch_start(self, batch: Loaded, batch_idx: int) -> None:
        """Key what draws from the global generators, dropout for one, by (seed, iteration, rank); begin the iteration's
        own generators, and write its numbers.
        """
        self.has_started = True
        self.iteration = self.global_step
        randomness.seed_globally(self.seed, "global", self.iteration, self.global_rank)
        self._generators.begin(self.seed, self.iteration)
        self._numbers.write()
        self._watch.begin(self.iteration)

    def number(
        self, name: Hashable, now: Callable[[], float], dtype: torch.dtype = torch.float32
    ) -> float | Shaped[Tensor, ""]:
        """Return a number that is another in each iteration: on the CPU itself, elsewhere a tensor that holds it.

        Args:
            name: of the number; the same name is always of the same number.
            now: returns what it is in this iteration.
            dtype: of the tensor.
        """
        if devices.works_behind(self.device):
            return self._numbers.held(name, now, self.device, dtype)
        return now()

    @property
    def iteration_told(self) -> Iteration:
        """What an objective is told of the number of this iteration."""
        return cast(Iteration, self.number("iteration", lambda: self.iteration, torch.int64))

    def training_step(self, batch: Loaded, batch_idx: int) -> None:
        """One iteration.

        Raises:
            TrainingError: a loss is NaN or infinite. On a CPU it is raised before the update. Other devices would have
                to be waited for, so there losses are read in an iteration that is logged, in every 100th, and
                before anything is saved; the first that was not finite is named.
        """
        batch = self.taken_from(batch)
        try:
            logged = self._updated(batch) if self._capture is None else self._capture(self.iteration_kind, batch)
        except GenloomError:
            raise
        except Exception:
            self._watch.look()  # what fails may do so because a loss before it was not finite
            raise
        if self.logs_now or self.iteration % Watch.between == Watch.between - 1:
            self._watch.look()
        self.finish_iteration(logged)

    def _updated(self, batch: Batch) -> dict[str, Tensor]:
        """Carry out what an iteration does on the device, and return what is worth logging."""
        logged = self.iterate(batch)
        self.average_weights(len(batch) * self.world_size)
        return logged

    def also(self, function: Callable[[], None]) -> None:
        """Have a function called in this iteration, and whenever it is repeated without the rest of Python's part."""
        if self._capture is None:
            function()
        else:
            self._capture.also(function)

    @property
    def iteration_kind(self) -> Hashable:
        """What decides which operations the updates of this iteration consist of, beside the form of its batch."""
        players = {name: self._optimizer(name).optimizer for name in self._optimizer_factories}
        rates = [rate for each in players.items() for rate in self._rates(*each) if not isinstance(rate, Tensor)]
        return self.logs_now, tuple(self.resting(player) for player in players), tuple(rates)

    def _why_not_captured(self) -> str | None:
        if self.world_size > 1:
            return "several processes train together"
        if torch.is_anomaly_enabled():
            return "trainer.detect_anomaly looks at every result"
        for name, optimizer in zip(self._optimizer_factories, self.trainer.optimizers, strict=True):
            if not (isinstance(optimizer, torch.optim.SGD) or reads_rates(optimizer)):
                return f"optimizer.{name}: {type(optimizer).__name__} counts its updates in Python"
        for callback in self.trainer.callbacks:  # pyright: ignore[reportAttributeAccessIssue]
            for hook in _WITHIN:
                if getattr(type(callback), hook, None) is not getattr(Callback, hook):
                    return f"{type(callback).__name__}.{hook} is to be called within each"
        return None

    @property
    def drop_given(self) -> Mapping[str, float]:
        """With what probability each condition is dropped in training, of those that are at all."""
        return {name: probability for name, probability in self._drop_given.items() if probability > 0}

    def check_dropped(self, told: Collection[str]) -> None:
        """Refuse to drop what no network is told.

        Args:
            told: names of the conditions that one is.

        Raises:
            ConfigError: naming what would be dropped, and what is told.
        """
        if untold := [name for name in self._drop_given if name not in told]:
            raise ConfigError(
                f"model.drop_given.{untold[0]}: the model is not told the {untold[0]}, so it cannot be dropped; it is "
                f"told {', '.join(told) or 'nothing'} that it could do without"
            )

    def taken_from(self, loaded: Loaded) -> Batch:
        """Return what a loader yields as a batch; some examples are not told a condition, if that is wanted."""
        batch = as_batch(loaded)
        if not self.drop_given:
            return batch
        dropped = {}
        for name, probability in self.drop_given.items():
            rng = self.rng("drop", name, self.global_rank)
            dropped[name] = torch.rand(len(batch), generator=rng, device=rng.device) < probability
        return replace(batch, given=Given(batch.given, dropped=dropped))

    def rng(self, purpose: str, *names: int | str) -> torch.Generator:
        """Return this iteration's generator for ``purpose``, the same on every rank."""
        return self._generators(self.seed, purpose, self.iteration, *names, device=self.device)

    def mine(self, drawn: Tensor) -> Tensor:
        """Return this rank's rows of something drawn for the global batch."""
        return drawn[self.global_rank :: self.trainer.world_size] if self._trainer else drawn

    @property
    def world_size(self) -> int:
        """Number of training processes."""
        return self.trainer.world_size if self._trainer else 1

    def resting(self, player: str) -> bool:
        """Whether the player's schedule has its rate at zero now, so that nothing it does would change it."""
        return all(group["lr"] == 0 for group in self._optimizer(player).param_groups)

    def _rates(self, player: str, optimizer: Optimizer) -> Sequence[float | Tensor]:
        """Return the rates of an optimizer's groups, on its device if it can read them there."""
        groups = optimizer.param_groups
        if not reads_rates(optimizer):
            return [group["lr"] for group in groups]
        return [
            self.number(("lr", player, place), lambda group=group: group["lr"]) for place, group in enumerate(groups)
        ]

    def _optimizer(self, player: str) -> Any:
        optimizers, place = self.optimizers(), list(self._optimizer_factories).index(player)
        return (optimizers if isinstance(optimizers, list) else [optimizers])[place]

    def step(self, player: str, losses: Iterable[Mapping[str, Loss]], *, also: Sequence[str] = ()) -> dict[str, Tensor]:
        """Update one player and return its losses and their terms for the log.

        Args:
            player: whose optimizer steps, and under whose name is logged.
            also: further players that learn from the same losses, by the same backward pass.
            losses: the named losses of each accumulated batch; they are summed and backpropagated, divided by
                ``accumulation``, before the next batch's are computed.

        Returns:
            What is worth logging; empty in an iteration that is not logged.

        Raises:
            TrainingError: a loss is NaN or infinite; see :meth:`training_step`.
        """
        optimizers = {name: self._optimizer(name) for name in (player, *also)}
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        logged: dict[str, Tensor] = {}
        for named in losses:
            total = functools.reduce(torch.add, [loss.total for loss in named.values()])
            parts = {name: loss.total.detach() for name, loss in named.items()}

            def terms(named: Mapping[str, Loss] = named) -> dict[str, Tensor]:
                return {name: value.detach() for loss in named.values() for name, value in loss.terms().items()}

            self._watch.see(player, total.detach(), parts, terms, self._row, self.also)
            with exactly(total):  # a gradient is as precise as what it is of; autocast would round what stayed exact
                self.manual_backward(total / self.accumulation)
            if self.logs_now:
                values = {"loss": total.detach(), **parts, **terms()}
                logged.update({f"{player}/{name}": value for name, value in values.items()})
        for name, optimizer in optimizers.items():
            logged |= self._update(name, optimizer)
        self._watch.update((player, *also), self.also)
        return logged

    def _update(self, player: str, optimizer: Any) -> dict[str, Tensor]:
        inner = optimizer.optimizer  # Lightning's wrapper counts, which is not the device's part
        try:
            with rates(inner, self._rates(player, inner)):
                self.trainer.precision_plugin.optimizer_step(inner, model=self, closure=lambda: None)  # pyright: ignore
        except RuntimeError as error:  # a rate beyond single precision
            if "without overflow" not in str(error):
                raise
            raise TrainingError(
                f"iteration {self.iteration}: the update of the {player} overflows; lower optimizer.{player}.lr"
            ) from error
        if player == self.counted_player:
            self.also(self._count)
        norm = self._norms.pop(player, None)
        return {f"{player}/gradient_norm": norm} if norm is not None and self.logs_now else {}

    def _count(self) -> None:
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        progress.increment_ready()
        progress.increment_completed()

    def _row(self) -> Tensor:
        return cast(Tensor, self.number("row", lambda: self.iteration % Watch.between, torch.int64))

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip, and remember the norm before clipping."""
        if self.gradient_clip_norm is None and not self.logs_now:
            return
        name = list(self._optimizer_factories)[self.trainer.optimizers.index(optimizer)]
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = self._norms[name] = nn.utils.get_total_norm(gradients) / self._gradient_scale(optimizer)
        if self.gradient_clip_norm is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.gradient_clip_norm, norm)

    def _gradient_scale(self, optimizer: Optimizer) -> float | Tensor:
        """Return the factor that 16-mixed left on the gradients: fused optimizers divide by it themselves."""
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if scaler is None or not getattr(optimizer, "_step_supports_amp_scaling", False):
            return 1.0
        return scaler.scale(torch.ones((), device=self.device))  # get_scale() would wait for it

    def finish_iteration(self, logged: dict[str, Tensor]) -> None:
        """Advance the schedules and log, once per iteration."""
        if schedules := self.lr_schedulers():
            with warnings.catch_warnings():  # a player at rest has a schedule that steps before its optimizer ever did
                warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
                for schedule in schedules if isinstance(schedules, list) else [schedules]:
                    schedule.step()  # pyright: ignore[reportCallIssue]
        if self.logs_now:
            self._log(logged)

    def _log(self, logged: Mapping[str, Tensor]) -> None:
        said = torch.stack([value.float() for value in logged.values()]).isnan().logical_not_().tolist()
        values = zip(logged.items(), said, strict=True)
        self.log_dict({f"train/{name}": value for (name, value), is_said in values if is_said})

    @property
    def logs_now(self) -> bool:
        """Whether this iteration is written to the log."""
        return (self.iteration + 1) % self.trainer.log_every_n_steps == 0  # pyright: ignore

    # Averaged weights

    def average_weights(self, examples: int) -> None:
        """Move each average towards its source, by so many examples."""
        if self.ema_half_life_examples is not None:
            half_life = self.ema_half_life_examples
            share = self.number(
                ("average", examples), lambda: share_of_new(examples, (self.iteration + 1) * examples, half_life)
            )
            for average, source in self.averaged().values():
                averaging.follow(average, source, share)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Keep the modules' parameters out of the gradient while another player moves."""
    trained = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
