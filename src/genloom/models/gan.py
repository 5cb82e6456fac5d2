"""Generative adversarial networks: a generator and a discriminator, and any list of terms for their game.

One training step is one iteration: ``critic_iterations`` updates of the discriminator, each on fresh data, then one of
the generator. The generator's last draw serves both players: the discriminator sees it detached, and the generator's
update reuses its graph, so an iteration costs one forward pass of the generator per critic update.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Batch, Given, Latent
from genloom.contents.condition import Condition
from genloom.contents.label import LabelContent
from genloom.distributions.asked import OneLevel
from genloom.distributions.latents import CodedLatent, LatentDistribution
from genloom.errors import ConfigError, NeedsLabelsError
from genloom.limits import Count, Whole
from genloom.models.abilities import Completes, Conditions, HasDirections, HasLatents, Samples, Truncates
from genloom.models.from_latents import FromFixedLatents
from genloom.models.gan_parts import check_parts
from genloom.models.training.averaging import average_of
from genloom.models.training.family import Family, frozen
from genloom.networks.base import Critique, Discriminator, Generator, Truncating
from genloom.networks.gan.augmentation import Augmentation
from genloom.networks.gan.spectral import normalise_spectrally
from genloom.objectives.gan import Draw, Game, GanTerm
from genloom.objectives.loss import Loss
from genloom.precision import exact
from genloom.spec import Spec


class GAN(FromFixedLatents, Family):
    """A generator against a discriminator.

    Args:
        spec: the data's.
        generator: called as ``generator(spec, latent_dim=…)``.
        discriminator: called as ``discriminator(spec)``.
        latent: how latents are drawn.
        objective: named terms; their losses are added.
        augmentation: called as ``augmentation(spec)``; changes what the discriminator sees, real and generated.
        asking: called as ``asking(spec)``; what the generator is asked for in training that the data does not say.
        critic_iterations: discriminator updates per generator update.
        spectral_norm: players whose weights are divided by their largest singular value.
        freeze_discriminator_layers: layers, from the input on, that keep the weights of ``init_from``.
        **family: see :class:`~genloom.models.training.family.Family`; the optimizers are ``generator`` and
            ``discriminator``.

    Raises:
        ConfigError: parts that cannot play together; both keys are named.
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
        augmentation: Callable[[Spec], Augmentation] | None = None,
        asking: Callable[[Spec], OneLevel] | None = None,
        critic_iterations: Count = 1,
        spectral_norm: Sequence[str] = (),
        freeze_discriminator_layers: Whole = 0,
        **family: Any,
    ) -> None:
        super().__init__(spec, **family)
        if critic_iterations < 1:
            raise ConfigError(f"model.critic_iterations: {critic_iterations} is below the limit of 1")
        if not objective:
            raise ConfigError("model.objective: no term given; choose 'objective/gan@model.objective=[non_saturating]'")
        self.critic_iterations = critic_iterations
        self.latent = latent
        self.asking = asking(spec) if asking is not None else None
        seen = spec if self.asking is None else self.asking.told(spec)  # by the players
        self._known = seen.given
        with NeedsLabelsError.of("model.generator"):
            self.generator = generator(seen, latent_dim=latent.dim).to(memory_format=torch.channels_last)
        with NeedsLabelsError.of("model.discriminator"):
            self.discriminator = discriminator(seen).to(memory_format=torch.channels_last)
        self.objective = nn.ModuleDict(objective)
        self.augmentation = augmentation(spec) if augmentation is not None else None
        self._real_signs: list[Tensor] = []
        check_parts(spec, latent, self.generator, self.discriminator, objective, asks=self.asking is not None)
        self.check_dropped(self.told)
        if "label" in self.drop_given and "class" in self.discriminator.aux:
            raise ConfigError(
                "model.drop_given.label: a term of model.objective asks for the class of every example; leave it out, "
                "or choose network/head@model.discriminator.head=projection"
            )
        for player in spectral_norm:
            if player not in self.players():
                raise ConfigError(f"model.spectral_norm: {player!r} is no player; they are {', '.join(self.players())}")
            normalise_spectrally(self.players()[player])
        self.freeze_discriminator_layers = freeze_discriminator_layers
        self._freeze(freeze_discriminator_layers)
        if self.ema_half_life_examples is not None:
            self.generator_ema = average_of(self.generator)

    def _freeze(self, num: int) -> None:
        layers = self.discriminator.layers_from_input()
        if not 0 <= num <= len(layers):
            raise ConfigError(
                f"model.freeze_discriminator_layers: {num} is not within 0 and {len(layers)}, the layers that "
                "model.discriminator offers"
            )
        for layer in layers[:num]:
            layer.requires_grad_(False)

    @property
    def is_continuation(self) -> bool:
        """Frozen layers make sense only with earlier weights."""
        return self.freeze_discriminator_layers > 0

    def players(self) -> dict[str, nn.Module]:
        """Generator and discriminator."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """The generator's average."""
        if self.ema_half_life_examples is None:
            return {}
        return {"generator": (self.generator_ema, self.generator)}

    @property
    def abilities(self) -> frozenset[type]:
        """Every GAN samples and has a latent space; the rest depends on its generator and its latents."""
        offered: set[type] = {Samples, HasLatents}
        if self.conditions:
            offered.add(Conditions)
        if self._asked_for:
            offered.add(Completes)
        if isinstance(self.generator, Truncating):
            offered.add(Truncates)
        with self.evaluating(self.generator) as network:  # else spectral normalisation would go on learning
            offered |= {HasDirections} if network.latent_projection() is not None else set()
        return frozenset(offered)

    @property
    def batches_per_iteration(self) -> int:
        """Fresh data for each critic update and each accumulated batch."""
        return self.critic_iterations * self.accumulation

    # Training

    @property
    def iteration_kind(self) -> Hashable:
        """What the family says, and which lazy terms are due."""
        terms = (cast(GanTerm, term) for term in self.objective.values())
        return super().iteration_kind, tuple(self.iteration % term.every_iterations == 0 for term in terms)

    def on_train_start(self) -> None:
        """Refuse also batches that are no whole packs.

        Raises:
            ConfigError: naming both keys.
        """
        super().on_train_start()
        size, pack = getattr(getattr(self.trainer, "datamodule", None), "batch_size", None), self.discriminator.pack
        if size is not None and size % pack:
            raise ConfigError(
                f"data.batch_size: {size} is not divisible by model.discriminator.pack={pack}; set "
                f"data.batch_size={max(1, size // pack) * pack}"
            )

    def iterate(self, batch: Batch) -> dict[str, Tensor]:
        """Update the discriminator as often as is wanted, then the generator."""
        if self.asking is not None:
            batch = self.asking.ask(batch, self.rng("asking", self.global_rank))
        batches = [self._whole_packs(part) for part in batch.chunks(self.batches_per_iteration)]
        logged: dict[str, Tensor] = {}
        draws: list[Draw] = []
        for update in range(self.critic_iterations):
            last = update == self.critic_iterations - 1
            own = batches[update * self.accumulation : (update + 1) * self.accumulation]
            with torch.set_grad_enabled(last):
                draws = [self._draw(len(real), real.given, update, part) for part, real in enumerate(own)]
            logged |= self.step("discriminator", self._losses("discriminator", own, draws, update))
            logged |= self._after_discriminator_update(sum(len(real) for real in own))
        with frozen(self.discriminator):
            logged |= self.step("generator", self._losses("generator", batches[-self.accumulation :], draws, 0))
        return logged

    def _whole_packs(self, batch: Batch) -> Batch:
        """Return the batch without the last examples that are no whole pack."""
        pack = self.discriminator.pack
        if len(batch) < pack:
            raise ConfigError(
                f"data.batch_size: {len(batch)} examples of an update are fewer than model.discriminator.pack={pack}; "
                "raise the one, or lower the other"
            )
        return batch.map(lambda values: values[: len(batch) // pack * pack]) if len(batch) % pack else batch

    def _draw(self, num: int, given: Given, *names: int) -> Draw:
        rng = self.rng("latent", *names)
        latent = {name: self.mine(drawn)[:num] for name, drawn in self.latent.draw(self._global(num), rng).items()}
        latent = self.generator.embed(latent, given, rng)

        def rerun(other: Latent) -> Tensor:
            first = len(next(iter(other.values())))
            own = given if first == num else given.map(lambda values: values[:first])
            return exact(self.generator(other, own))

        content = rerun(latent)
        has = None if self.asking is None else self.asking.had_by(content, given)
        return Draw(latent, content, given, rerun, has)

    def _after_discriminator_update(self, examples: int) -> dict[str, Tensor]:
        for term in self.objective.values():
            cast(GanTerm, term).constrain(self.discriminator)
        if self.augmentation is None:
            return {}
        signs, self._real_signs = torch.stack(self._real_signs).mean(), []
        if self.world_size > 1:  # every rank must arrive at the same probability
            signs = cast(Tensor, self.trainer.strategy.reduce(signs, reduce_op="mean"))
        observed = self.augmentation.observe(signs, examples * self.world_size)
        return {f"discriminator/{name}": value for name, value in observed.items()}

    def _critic(self, rng: torch.Generator) -> Callable[..., Critique]:
        def critic(content: Tensor, given: Given) -> Critique:
            seen = content if self.augmentation is None else self.augmentation(content, rng)
            return self.discriminator(seen, given).exact()

        return critic

    def _global(self, num: int) -> int:
        return num * self.world_size + self.world_size - 1  # ranks may differ by one example

    def _losses(
        self, player: str, real: Iterable[Batch], draws: Iterable[Draw], update: int
    ) -> Iterator[dict[str, Loss]]:
        for part, (batch, draw) in enumerate(zip(real, draws, strict=True)):
            if player == "discriminator":
                draw = replace(draw, content=draw.content.detach(), has_asked=None)
            rng = self.rng(player, update, part, self.global_rank)
            game = Game(batch, draw, self._critic(rng), self.iteration_told, rng, self.discriminator.pack)
            losses = {}
            for name, module in self.objective.items():
                term = cast(GanTerm, module)
                if self.iteration % term.every_iterations:
                    continue
                loss: Loss | None = getattr(term, player)(game)
                if loss is not None:
                    losses[name] = Loss(loss.total * term.every_iterations, loss.terms)
            if self.augmentation is not None and player == "discriminator":
                self._real_signs.append(game.real_critique.score.detach().sign().mean())
            yield losses

    # Use

    @property
    def told(self) -> tuple[str, ...]:
        """What the generator is told."""
        return self.generator.conditions

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """What the generator is told, and the values of a categorical code, which stand for classes nobody named."""
        known = {name: self._known[name] for name in self.told}
        if not isinstance(self.latent, CodedLatent):
            return known
        return {**known, "code": LabelContent(tuple(map(str, range(self.latent.categories))))}

    def drawn(self, num: int, rng: torch.Generator, given: Given | None) -> tuple[Latent, Given]:
        """Return latents and what they are given; the latent itself says which code it has, unless one is given."""
        latent = self.draw_latent(num, rng)
        known = Given(given or {}, dropped=getattr(given, "dropped", None))
        if "category" in latent:
            known.setdefault("code", latent["category"])
        given = self.draw_given(num, rng, known)
        return self.agreeing(latent, given), given

    def agreeing(self, latent: Latent, given: Given) -> Latent:
        """Return a latent with the categorical code that is given."""
        if "code" in given and isinstance(self.latent, CodedLatent):
            return self.latent.with_category(latent, given["code"])
        return latent

    def sampled(self, latent: Latent, given: Given, rng: torch.Generator) -> Batch:
        """Return an example of each latent, with choices drawn."""
        with self.evaluating(self.generator) as network:
            latent = self.to_device(network.drawn(latent, rng))
        return self.decode(latent, given)

    @property
    def _asked_for(self) -> bool:
        return self.asking is not None and self.asking.name in self.told

    def complete(
        self,
        content: Float[Tensor, "batch ..."],
        known: Bool[Tensor, "batch ..."],
        *,
        rng: torch.Generator,
        allowed: Bool[Tensor, "batch ..."] | None = None,
        given: Given | None = None,
    ) -> Batch:
        """Return examples that were asked for the one level that is known of each; see ``Completes``.

        Raises:
            ConfigError: something else is known of an example.
        """
        assert self.asking is not None
        level = self.asking.known_in(content.to(self.device), known.to(self.device))
        return self.sample(len(content), rng=rng, given=Given({**(given or {}), self.asking.name: level}))

    def embed(self, latent: Latent, given: Given = NOTHING) -> Latent:
        """Return what the synthesis sees, with nothing random in it."""
        with self.evaluating(self.generator) as network:
            return network.embed(latent, given, None)

    def truncate(self, latent: Latent, psi: float) -> Latent:
        """Return an embedded latent with a share ``psi`` of its distance from the mean."""
        with self.evaluating(self.generator) as network:
            assert isinstance(network, Truncating)
            return network.truncate(latent, psi)

    def latent_directions(self, num: int) -> tuple[str, Tensor]:
        """Return the directions that the first linear map stretches most.

        Shen and Zhou, Closed-Form Factorization of Latent Semantics in GANs (SeFa), 2021: right singular vectors.
        """
        with self.evaluating(self.generator) as network:
            projection = network.latent_projection()
        assert projection is not None
        # the eigenvectors of the small Gram matrix, in double precision, which not every GPU has
        matrix = projection.matrix.cpu().double()
        _, vectors = torch.linalg.eigh(matrix.T @ matrix)
        return projection.name, vectors.flip(1).T[:num].to(projection.matrix)

    def decode(self, latent: Latent, given: Given = NOTHING) -> Batch:
        """Return the content of ``latent``, generated in evaluation mode."""
        if "category" in latent and "code" not in given:
            given = Given({**given, "code": latent["category"]}, dropped=given.dropped)
        with self.evaluating(self.generator) as network:
            content = network(network.embed(latent, given, None), given)
        if self.asking is not None and self.asking.name in given:
            content = self.asking.held(content, given)
        return self.generated(content, given)
