"""What of a configuration is not as in the run that it continues, and whether continuing can follow."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genloom.errors import ConfigError

# where a run works, what it shows, where the data lies, whose digest is compared, what a network found in its folder
_NO_MATTER = (
    r"(run|resume|progress_bar|trust|logger|data\.(num_workers|gpu_share|root|path|name|storage|cache_dir|decoders)|"
    r"trainer\._target_|callbacks\.\w+\.dirpath|model\.network\.(path|config|schedule))(\.|$)"
)
# what is read anew from the configuration; the rest is in the checkpoint, or decides what it has seen of the data
_FOLLOWED = (
    r"metrics(\.|$)",
    r"sampler(\.|$)",
    r"callbacks(\.|$)(?!.*\.(save_top_k|patience)$)",
    r"trainer\.(?!limit_train_batches$|overfit_batches$)",
    r"optimizer\.\w+\.(lr|betas|eps|weight_decay)$",
    r"model\.(gradient_clip_norm|ema_half_life_examples|input_noise)$",
    r"model\.(objective|augmentation)\.(?!.*(_target_|initial_\w+)$)",
)


@dataclass(frozen=True)
class Change:
    """One key that has another value, or that only one of the two has.

    Args:
        key: its full name.
        before: in the run that is continued; None if it has none.
        now: in the new configuration.
    """

    key: str
    before: Any
    now: Any

    @property
    def is_followed(self) -> bool:
        """Whether a run that continues takes the new value."""
        if self.key.startswith("model.") and (self.before is None) != (self.now is None):
            return self.key == "model.gradient_clip_norm"  # others come with weights or take some away
        return any(re.match(pattern, self.key) for pattern in _FOLLOWED)

    def __str__(self) -> str:
        return f"{self.key} is {_shown(self.before)} there and {_shown(self.now)} here"


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return the values of nested mappings by their full names; a list is one value."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Return what is not alike in two configurations that are plain data, classes first, of keys that matter.

    Args:
        before: of the run that is continued; of its root keys, those that are known.
        now: the new one.
    """
    old = dict(leaves(dict(before)))
    new = {key: value for key, value in leaves(dict(now)) if key.split(".")[0] in before}
    empty: tuple[Any, ...] = (None, {}, [])
    found = [
        Change(key, old.get(key), new.get(key))
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
        and not (old.get(key) in empty and new.get(key) in empty)
        and not re.match(_NO_MATTER, key)
    ]
    return sorted(found, key=lambda change: (not change.key.endswith("_target_"), change.key.count(".")))


def listed(found: list[Change], most: int = 3) -> str:
    """Return changes as a text, the first of them."""
    more = f"; and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(map(str, found[:most])) + more


def check(before: Mapping[str, Any], now: Mapping[str, Any], file: object) -> list[Change]:
    """Return the changes that continuing follows.

    Args:
        before: see :func:`changes`.
        now: the new configuration.
        file: what is continued, for errors.

    Raises:
        ConfigError: there are others.
    """
    found = changes(before, now)
    refused = [change for change in found if not change.is_followed]
    if refused:
        raise ConfigError(
            f"{refused[0].key}: {file} can't be continued so: {listed(refused)}; leave this as it was, or start a new "
            "run from its weights by init_from=… in place of resume=…"
        )
    return found
