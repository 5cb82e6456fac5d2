"""Generative adversarial networks: a generator and a discriminator, and any list of terms for their game.

One training step is one iteration: ``critic_iterations`` updates of the discriminator, each on fresh data, then one of
the generator. The generator's last draw serves both players: the discriminator sees it detached, and the generator's
update reuses its graph, so an iteration costs one forward pass of the generator per critic update.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from genloom.batch import Batch, Condition, ImageBatch, Latent
from genloom.capabilities import Capability
from genloom.errors import ConfigError
from genloom.families.base import Family, frozen
from genloom.networks.base import Discriminator, Generator
from genloom.objectives.gan import Draw, Game, GanTerm
from genloom.objectives.loss import Loss
from genloom.samplers.latents import LatentDistribution
from genloom.spec import Spec


class GAN(Family):
    """A generator against a discriminator.

    Args:
        spec: the data's.
        generator: called as ``generator(spec, latent_dim=…)``.
        discriminator: called as ``discriminator(spec)``.
        latent: how latents are drawn.
        objective: named terms; their losses are added.
        critic_iterations: discriminator updates per generator update.
        **family: see :class:`~genloom.families.base.Family`; the optimizers are ``generator`` and ``discriminator``.
    """

    counted_player = "generator"

    def __init__(
        self,
        spec: Spec,
        *,
        generator: Callable[..., Generator],
        discriminator: Callable[..., Discriminator],
        latent: LatentDistribution,
        objective: Mapping[str, GanTerm],
        critic_iterations: int = 1,
        **family: Any,
    ) -> None:
        super().__init__(spec, **family)
        if critic_iterations < 1:
            raise ConfigError(f"model.critic_iterations: {critic_iterations} is below the limit of 1")
        if not objective:
            raise ConfigError("model.objective: no term given; choose objective/gan@model.objective=[non_saturating]")
        self.critic_iterations = critic_iterations
        self.latent = latent
        self.generator = generator(spec, latent_dim=latent.dim).to(memory_format=torch.channels_last)
        self.discriminator = discriminator(spec).to(memory_format=torch.channels_last)
        self.objective = nn.ModuleDict(objective)
        if self.ema_half_life_examples is not None:
            self.generator_ema = self.make_average(self.generator)

    def players(self) -> dict[str, nn.Module]:
        """Generator and discriminator."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """The generator's average."""
        if self.ema_half_life_examples is None:
            return {}
        return {"generator": (self.generator_ema, self.generator)}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Every GAN samples and has a latent space."""
        return frozenset({Capability.SAMPLE, Capability.LATENT})

    @property
    def batches_per_iteration(self) -> int:
        """Fresh data for each critic update and each accumulated batch."""
        return self.critic_iterations * self.accumulation

    # Training

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """One iteration."""
        batches = batch.chunks(self.batches_per_iteration)
        logged: dict[str, Tensor] = {}
        draws: list[Draw] = []
        for update in range(self.critic_iterations):
            last = update == self.critic_iterations - 1
            own = batches[update * self.accumulation : (update + 1) * self.accumulation]
            with torch.set_grad_enabled(last):
                draws = [self._draw(len(real), real.condition, update, part) for part, real in enumerate(own)]
            logged |= self.step("discriminator", self._losses("discriminator", own, draws))
        with frozen(self.discriminator):
            logged |= self.step("generator", self._losses("generator", batches[-self.accumulation :], draws))
        self.finish_iteration(logged, len(batch) * self.world_size)

    def _draw(self, num: int, condition: Condition | None, *names: int) -> Draw:
        rng = self.rng("latent", *names)
        latent = {name: self.mine(drawn)[:num] for name, drawn in self.latent.draw(self._global(num), rng).items()}
        latent = self.generator.embed(latent, condition, rng)

        def rerun(other: Latent) -> Tensor:
            return self.generator(other, condition)

        return Draw(latent, rerun(latent), condition, rerun)

    def _global(self, num: int) -> int:
        return num * self.world_size + self.world_size - 1  # ranks may differ by one example

    def _losses(self, player: str, real: Iterable[Batch], draws: Iterable[Draw]) -> Iterator[dict[str, Loss]]:
        for part, (batch, draw) in enumerate(zip(real, draws, strict=True)):
            if player == "discriminator":
                draw = Draw(draw.latent, draw.content.detach(), draw.condition, draw.rerun)
            game = Game(batch, draw, self.discriminator, self.iteration, self.rng(player, part))
            losses = {}
            for name, module in self.objective.items():
                term = cast(GanTerm, module)
                if self.iteration % term.every_iterations:
                    continue
                loss: Loss | None = getattr(term, player)(game)
                if loss is not None:
                    losses[name] = Loss(loss.total * term.every_iterations, loss.terms)
            yield losses

    # Use

    def _network(self, weights: str | None) -> Generator:
        chosen = weights or self.weight_sets[0]
        if chosen not in self.weight_sets:
            raise ConfigError(f"weights: {chosen!r} is not in this model, which holds {', '.join(self.weight_sets)}")
        return self.generator_ema if chosen == "ema" else self.generator  # pyright: ignore[reportReturnType]

    def draw_latent(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents on the model's device, the same for the same CPU generator on every device."""
        return {name: drawn.to(self.device) for name, drawn in self.latent.draw(num, rng).items()}

    def interpolate(self, start: Latent, end: Latent, weight: float) -> Latent:
        """Return the latents a share ``weight`` of the way from ``start`` to ``end``."""
        return {name: self.latent.interpolate(start[name], end[name], weight) for name in start}

    @torch.inference_mode()
    def decode(self, latent: Latent, *, condition: Condition | None = None, weights: str | None = None) -> ImageBatch:
        """Return the content of ``latent``, generated in evaluation mode."""
        network = self._network(weights)
        training = network.training
        network.eval()
        try:
            content = network(network.embed(latent, condition, None), condition)
        finally:
            network.train(training)
        index = torch.full((len(content),), -1, device=content.device)
        return ImageBatch(content=content, index=index, condition=condition)

    def sample(
        self, num: int, *, rng: torch.Generator, condition: Condition | None = None, weights: str | None = None
    ) -> ImageBatch:
        """Return ``num`` images. The raw weights give batches in evaluation mode, as the average does."""
        return self.decode(self.draw_latent(num, rng), condition=condition, weights=weights)
