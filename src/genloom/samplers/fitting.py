"""Which samplers fit a model."""

import json

from genloom.errors import CapabilityError, ConfigError
from genloom.models.abilities import Model, why_not
from genloom.samplers.base import Sampler
from genloom.samplers.ddim import Ddim
from genloom.samplers.dpm_solver import DpmSolver
from genloom.samplers.ensemble import Ensemble
from genloom.samplers.euler import Euler
from genloom.samplers.heun import Heun
from genloom.samplers.paths import Paths
from genloom.samplers.plain import Plain
from genloom.samplers.tokens import Tokens
from genloom.samplers.truncated import Truncated

SAMPLERS = (Plain, Truncated, Tokens, Ensemble, Paths, Heun, DpmSolver, Ddim, Euler)


def check(sampler: object, model: Model) -> None:
    """Refuse a sampler that can't draw from a model.

    :class:`Plain` is no claim: a model of which nothing can be drawn at all, as most autoencoders are, may have it.

    Raises:
        CapabilityError: the model lacks what it needs; names the samplers that fit.
        ConfigError: it is none, or its values are no plain data.
    """
    if not isinstance(sampler, Sampler):
        raise ConfigError(f"sampler: {type(sampler).__name__} is no genloom.samplers.base.Sampler")
    try:
        json.dumps(sampler.protocol)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sampler: {type(sampler).__name__} is no dataclass of plain values ({error})") from error
    reason = why_not(model, sampler.needs)
    fitting = [f"sampler={kind.__name__.lower()}" for kind in SAMPLERS if why_not(model, kind.needs) is None]
    if reason and (fitting or type(sampler) is not Plain):
        remedy = f"{' and '.join(fitting)} fit{'s' if len(fitting) == 1 else ''} it" if fitting else "none fits it"
        raise CapabilityError(f"sampler: {type(sampler).__name__} {reason}; {remedy}")


def give(model: Model, sampler: object) -> None:
    """Let commands, looks and judges draw from a model by ``sampler``; the one place that sets it.

    Raises:
        CapabilityError, ConfigError: see :func:`check`.
    """
    check(sampler, model)
    assert isinstance(sampler, Sampler)
    model.sampler = sampler


def usual(model: Model) -> Sampler:
    """Return how a model is drawn from that does not say so: from its own distribution, with the values that its kind
    of content has.
    """
    kinds = (Tokens, Ensemble, Paths, DpmSolver)
    return next((kind() for kind in kinds if why_not(model, kind.needs) is None), Plain())
