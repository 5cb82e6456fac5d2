"""Which runs are one experiment, and what tells it from the others."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from genloom.reports.finished import LeftOut, Run, keys_of


def groups_of(runs: Iterable[Run]) -> tuple[list[list[Run]], list[LeftOut]]:
    """Return runs that differ in their seed only, by seed; of those with the same seed only the newest counts."""
    by_configuration: dict[str, list[Run]] = {}
    for run in runs:
        by_configuration.setdefault(json.dumps(run.compared, sort_keys=True), []).append(run)
    groups: list[list[Run]] = []
    left_out: list[LeftOut] = []
    for members in by_configuration.values():
        newest: dict[str, Run] = {}
        for run in sorted(members, key=lambda run: (run.directory / "metrics.json").stat().st_mtime):
            older = newest.get(repr(run.seed))
            if older is not None:
                reason = f"{run.directory} is the newest with seed {run.seed}; a seed counts once"
                left_out.append(LeftOut(older.directory, "repeated", reason))
            newest[repr(run.seed)] = run
        groups.append(sorted(newest.values(), key=lambda run: (str(type(run.seed)), run.seed)))
    return groups, left_out


def names_of(groups: Sequence[Sequence[Run]]) -> list[tuple[str, list[str]]]:
    """Return each group's name, and the settings that tell it from the others of that name."""
    names = [", ".join(dict.fromkeys(run.name for run in group)) for group in groups]
    found: list[tuple[str, list[str]]] = [(name, []) for name in names]
    for name, number in Counter(names).items():
        if number > 1:
            alike = [index for index, other in enumerate(names) if other == name]
            keys = _telling([groups[index][0] for index in alike])
            for index in alike:
                found[index] = name, [_setting(key, groups[index][0].compared) for key in keys]
    return found


def _telling(runs: Sequence[Run]) -> list[str]:
    """Return the fewest keys whose values tell the runs apart; more than three are found greedily."""
    configurations = [run.compared for run in runs]
    given = {key.rpartition("@")[2] for run in runs for key in keys_of(run.overrides)}
    names = {key for configuration in configurations for key in configuration}

    def rank(key: str) -> tuple[bool, bool, bool, int, int, str]:
        within = any(key.startswith(f"{part}.") for part in given)
        return key not in given, not within, not key.endswith("_target_"), key.count("."), len(key), key

    # among keys that tell the same runs apart, one that somebody set comes first, then one of a part that somebody
    # chose, then one that names a part, then the shallow, then the short
    by_split: dict[tuple[str | None, ...], str] = {}
    for key in sorted(names, key=rank):
        values = tuple(configuration.get(key) for configuration in configurations)
        if len(set(values)) > 1:
            first = {value: position for position, value in reversed(list(enumerate(values)))}
            by_split.setdefault(tuple(str(first[value]) for value in values), key)
    splits = list(by_split)

    def classes(chosen: Iterable[tuple[str | None, ...]]) -> int:
        return len(set(zip(*chosen, strict=True)))

    for number in (1, 2, 3):
        for chosen in itertools.combinations(splits[:40], number):
            if classes(chosen) == len(runs):
                return [by_split[split] for split in chosen]
    greedy: list[tuple[str | None, ...]] = []
    while not greedy or classes(greedy) < len(runs):
        greedy.append(max(splits, key=lambda split: classes([*greedy, split])))
    return [by_split[split] for split in greedy]


def _setting(key: str, configuration: Mapping[str, str]) -> str:
    if key not in configuration:
        return f"~{key}"
    value = json.loads(configuration[key])
    if isinstance(value, float):
        mantissa, _, exponent = f"{value:e}".partition("e")
        scientific = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}" if exponent else str(value)
        short = scientific if len(scientific) < len(str(value)) and float(scientific) == value else str(value)
    elif key.endswith("_target_"):
        short = str(value).rpartition(".")[2]
    else:
        short = value if isinstance(value, str) else json.dumps(value)
    return f"{key.removesuffix('._target_')}={short}"
