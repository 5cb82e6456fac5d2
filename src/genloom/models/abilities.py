"""What a model can do. Commands, metrics and callbacks ask for capabilities, never for families."""

from collections.abc import Iterable
from enum import Enum

from genloom.errors import CapabilityError


class Capability(Enum):
    """An ability that a model offers or lacks, computed from the parts it was built of."""

    SAMPLE = "Sample"  # sample(num, rng=...)
    LATENT = "Latent"  # draw_latent, decode: a continuous space that can be walked
    CONDITION = "Condition"  # sample(condition=...): by class, or by a learned code
    TRUNCATE = "Truncate"  # truncate(latent, psi): typical samples instead of varied ones
    DIRECTIONS = "Directions"  # latent_directions(num): what changes the content most
    ENCODE = "Encode"  # encode(batch)
    RECONSTRUCT = "Reconstruct"  # reconstruct(batch)
    SCORE = "Score"  # log_prob(batch)
    FORECAST = "Forecast"  # forecast(history)
    CONTINUE = "Continue"  # generate(tokens, num_tokens): goes on after a prompt
    ATTEND = "Attend"  # attention(batch): which position looks at which


def require(who: str, needed: Capability, offered: Iterable[Capability]) -> None:
    """Raise a :class:`CapabilityError` that names both sides if ``needed`` is not ``offered``."""
    names = sorted(capability.value for capability in offered)
    if needed.value not in names:
        raise CapabilityError(f"{who} needs {needed.value}; this model offers {', '.join(names) or 'nothing'}")
