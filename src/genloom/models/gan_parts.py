"""Which parts of a GAN can play together: each says what it needs, and what it offers."""

from collections.abc import Mapping

import torch

from genloom.distributions.latents import CodedLatent, LatentDistribution
from genloom.errors import ConfigError, NeedsLabelsError
from genloom.networks.base import Discriminator, Generator
from genloom.objectives.gan import GanTerm
from genloom.spec import Spec


def check_parts(
    spec: Spec,
    latent: LatentDistribution,
    generator: Generator,
    discriminator: Discriminator,
    objective: Mapping[str, GanTerm],
    asks: bool,
) -> None:
    """Refuse parts that cannot play together, before anything is trained.

    Raises:
        ConfigError: naming both keys.
    """
    _check_players(objective)
    classifies = False
    drawn = {*latent.draw(1, torch.Generator()), *generator.latent_names}
    for name, term in objective.items():
        key = f"model.objective.{name}"
        if term.needs_labels and spec.labels is None:
            raise NeedsLabelsError(f"{key}: it needs labels, and data.name={spec.name} has none; choose labelled data")
        if term.needs_asked and not asks:
            raise ConfigError(
                f"{key}: it needs levels that are asked for, and model.asking is null; choose "
                "asking@model.asking=one_level, or leave the term out"
            )
        for aux in term.needs_aux:
            if aux not in discriminator.aux:
                head = "codes" if aux == "category" else "classifier"
                raise ConfigError(
                    f"{key}: it needs the opinion {aux!r}, which model.discriminator.head does not give; choose "
                    f"network/head@model.discriminator.head={head}"
                )
        for part in term.needs_latent:
            if part not in drawn:
                raise ConfigError(
                    f"{key}: it needs the latent {part!r}, and model.generator with model.latent have "
                    f"{', '.join(sorted(drawn))}; choose another generator or model.latent"
                )
        classifies |= "class" in term.needs_aux
        if "category" in term.needs_aux:
            _check_codes(key, latent, discriminator)
    looked_at = {*discriminator.conditions, *(["label"] if classifies else [])}
    if unseen := [name for name in generator.conditions if name not in looked_at]:
        raise ConfigError(
            f"model.generator.conditioning: the generator is told the {', '.join(unseen)}, but neither "
            "model.discriminator.head nor a term of model.objective looks at it; choose "
            "network/head@model.discriminator.head=projection"
        )
    if untold := [name for name in discriminator.conditions if name not in generator.conditions]:
        raise ConfigError(
            f"model.discriminator.head: the discriminator judges by the {', '.join(untold)}, which "
            "model.generator.conditioning does not tell the generator; choose "
            "network/conditioning@model.generator.conditioning=concatenation, or "
            "network/head@model.discriminator.head=score"
        )
    if "category" in discriminator.aux and not any("category" in term.needs_aux for term in objective.values()):
        raise ConfigError(
            "model.discriminator.head: it reads codes, but no term of model.objective uses that; add code_information"
        )
    if "class" in discriminator.aux and not classifies:
        raise ConfigError(
            "model.discriminator.head: it classifies, but no term of model.objective uses that; add "
            "auxiliary_classification"
        )


def _check_players(objective: Mapping[str, GanTerm]) -> None:
    for player in ("discriminator", "generator"):
        if not any(term.every_iterations == 1 and term.trains(player) for term in objective.values()):
            terms = ",".join(["non_saturating", *objective])
            raise ConfigError(
                f"model.objective: {', '.join(objective)} give the {player} no loss in every iteration; add an "
                f"adversarial objective, as in 'objective/gan@model.objective=[{terms}]'"
            )


def _check_codes(key: str, latent: LatentDistribution, discriminator: Discriminator) -> None:
    assert isinstance(latent, CodedLatent)  # it has the latent "category", as was checked
    ours = {"category": latent.categories, "continuous": latent.continuous}
    theirs = {name: discriminator.aux.get(name, 0) for name in ours}
    if ours != theirs:
        raise ConfigError(
            f"{key}: model.latent has codes of {ours['category']} + {ours['continuous']}, model.discriminator.head "
            f"reads {theirs['category']} + {theirs['continuous']}; make them equal"
        )
