"""Checking a command line: its configuration, or in a sweep that of every value that is swept over.

A sweep is checked one value at a time, the other keys at their first value: as many checks as there are values, not
as there are combinations.
"""

from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from genloom.config.advice import pasted, quoted
from genloom.config.composition import Composer
from genloom.config.validation import check
from genloom.errors import ConfigError


def check_all(composer: Composer, overrides: Sequence[str], *, multirun: bool, complete: bool) -> RunMode:
    """Check what ``overrides`` make of a command's configuration, and return whether it is a sweep.

    Args:
        composer: the command's.
        overrides: of the command line.
        multirun: a sweep was asked for.
        complete: check values, interpolations and targets too, as a job needs them; else only that it composes.

    Raises:
        ConfigError: see :meth:`Composer.compose` and :func:`~genloom.config.validation.check`.
    """
    parsed = composer.parse(overrides)
    swept = [override for override in parsed if override.is_sweep_override()]
    plain = [override for override in parsed if not override.is_sweep_override()]
    choices = _alternatives(composer, swept)
    config = composer.compose([*plain, *(values[0] for values in choices)])
    mode = RunMode.MULTIRUN if multirun or config.hydra.mode is RunMode.MULTIRUN else RunMode.RUN
    if mode is RunMode.MULTIRUN:
        given = {override.key_or_group for override in parsed}
        parameters = config.hydra.sweeper.get("params") or {}
        defined = [f"{key}={values}" for key, values in parameters.items() if key not in given]
        choices += _alternatives(composer, composer.parse(defined))
    elif swept and complete:
        key, value = str(swept[0].input_line).split("=", 1)
        raise ConfigError(
            f"{key}: {value!r} is several values; --multirun runs each, {pasted(f'{key}=[{value}]')} is a list of "
            f"them, {pasted(f'{key}={quoted(value)}')} one text"
        )
    if complete and len(choices) == len(swept):
        _check(config)
    base = [values[0] for values in choices]
    variants = [base] if len(choices) > len(swept) else []
    for position, values in enumerate(choices):
        variants += [[*base[:position], value, *base[position + 1 :]] for value in values[1:]]
    for variant in variants:
        config = composer.compose([*plain, *variant])
        if complete:
            _check(config)
    return mode


def _alternatives(composer: Composer, swept: Sequence[Override]) -> list[list[Override]]:
    found = []
    for override in swept:
        if override.is_discrete_sweep():
            values = list(dict.fromkeys(override.sweep_string_iterator()))
        elif override.is_interval_sweep():
            values = [str(override.value().start), str(override.value().end)]  # pyright: ignore
        else:
            values = [override.get_value_element_as_str()]
        if not values:
            raise ConfigError(f"{override.key_or_group}: {override.input_line!r} names no value")
        found.append(composer.parse([f"{override.get_key_element()}={value}" for value in values]))
    return found


def _check(config: DictConfig) -> None:
    hydra = HydraConfig.instance()
    before = hydra.cfg
    with open_dict(config.hydra):  # what Hydra knows only when the job starts
        config.hydra.job.num, config.hydra.job.id = 0, "0"
        config.hydra.runtime.output_dir = "."
    hydra.set_config(config)
    job = config.copy()
    try:
        with open_dict(job):
            del job["hydra"]
        check(job)
    finally:
        hydra.cfg = before
