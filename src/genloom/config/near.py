"""What somebody who misspelt a name may have meant."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher


def near(name: str, options: Iterable[str], limit: int = 3) -> list[str]:
    """Return the options most like ``name``, best first, at most ``limit``.

    An option counts as its whole name, as its last part, as its words in any order, and as its folder: ``dcgan`` finds
    ``gan/dcgan``, ``lr`` ``optimizer.x.lr``, ``dcgan_mnist`` ``mnist/dcgan``, ``ring`` all of ``ring/``.
    Of those that end alike the least deep are meant: ``batch_size`` is the data's, not a metric's.
    """
    spelt, reordered = SequenceMatcher(b=name.lower()), SequenceMatcher(b=_sorted_words(name.lower()))
    scores: dict[str, float] = {}
    for option in options:
        spelling = option.lower()
        parts = {spelling, spelling.replace("/", ".").rsplit(".", 1)[-1]}
        if spelling.rpartition("/")[0] == name.lower():  # a folder half remembered is no hint
            parts.add(name.lower())
        for matcher, part in [*((spelt, part) for part in parts), (reordered, _sorted_words(spelling))]:
            matcher.set_seq1(part)
            if matcher.real_quick_ratio() >= 0.6:
                scores[option] = max(scores.get(option, 0.0), matcher.ratio())
    best = max(scores.values(), default=0.0)
    enough = 1.0 if best == 1.0 else max(0.6, best - 0.1)
    chosen = [option for option, score in scores.items() if score >= enough]
    shallowest: dict[str, int] = {}  # by the last part
    for option in sorted(chosen, key=_depth):
        shallowest.setdefault(_last(option), _depth(option))
    meant = [option for option in chosen if _depth(option) == shallowest[_last(option)]]
    return sorted(meant, key=lambda option: -scores[option])[:limit]


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return ``; did you mean X or Y?``, or nothing if no option is near."""
    found = near(name, options)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _sorted_words(name: str) -> str:
    return " ".join(sorted(re.split(r"[/._]", name)))


def _depth(option: str) -> int:
    return option.count(".")


def _last(option: str) -> str:
    return option.rsplit(".", 1)[-1]
