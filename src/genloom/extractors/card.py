"""What is known of an extractor that ``genloom extractor`` made: its network, its training and its calibration."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genloom.intervals import Interval, half_width, of_ratio
from genloom.limits import Count

if TYPE_CHECKING:
    from rich.table import Table


NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
MOST_PIXELS = 1024  # on a side: whatever is looked at is resized to it


@dataclass(frozen=True)
class Card:
    """Plain data; the file of the weights repeats it, and may come from a stranger.

    Args:
        name: ends the name of every number that the extractor gives.
        classes: what its logits mean.
        channels: 1 (grey) or 3 (colour).
        size: height and width of its input, in pixels.
        widths: channels of each stage.
        num_features: features that distances are taken between.
        data: name, fingerprint and images per split of the data that it was trained on.
        training: the settings of the training.
        accuracy: share of images classified rightly by split, and ``chance``: that of always naming the commonest.
        floor: ``fd``, ``kd``, ``n_reference`` and ``n_heldout`` of real held-out images against training images.
        ladder: ``fd``, ``kd``, half the width of their intervals and ``num`` by rung, against the same reference.
        warnings: why its numbers may mean little.
        genloom: the version that made it.

    Raises:
        ValueError: a value is no such thing, or out of its limits.
    """

    name: str
    classes: tuple[str, ...]
    channels: Count
    size: int
    widths: tuple[int, ...]
    num_features: int
    data: dict[str, Any]
    training: dict[str, Any]
    accuracy: dict[str, float]
    floor: dict[str, float]
    ladder: dict[str, dict[str, float]]
    warnings: tuple[str, ...]
    genloom: str

    def __post_init__(self) -> None:
        texts = (self.name, self.genloom, *self.classes, *self.warnings, self.data["name"], self.data["fingerprint"])
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a name or a warning is no text")
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name: {self.name[:100]!r} is not made of letters, digits, _ and -")
        sizes = (self.channels, self.size, self.num_features, *self.widths)
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ValueError("a size is no whole number above 0")
        if self.size > MOST_PIXELS:
            raise ValueError(f"size: {self.size} is above the limit of {MOST_PIXELS}")

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return rung, Fréchet distance, its multiple of the floor, and kernel distance, as text."""
        return [
            (
                rung,
                _written(found["fd"], _interval(found, "fd")),
                self._times_floor(rung),
                _written(found["kd"], _interval(found, "kd")),
            )
            for rung, found in self.ladder.items()
        ]

    def _times_floor(self, rung: str) -> str:
        if rung == "real":
            return "1"
        value, floor = self.ladder[rung]["fd"], self.ladder["real"]["fd"]
        if not floor > 0:
            return "-"
        ours, real = (_interval(self.ladder[name], "fd") for name in (rung, "real"))
        return _written(value / floor, of_ratio(value, ours, floor, real))

    def table(self) -> "Table":
        """Return what a person reads in a terminal."""
        from rich.table import Table
        from rich.text import Text

        notes = [self.sets, self.right, *(f"Warning: {warning}" for warning in self.warnings)]
        table = Table(title=f"calibration of {self.name}", caption=Text("\n".join(notes)), caption_justify="left")
        for title in self.titles:
            table.add_column(title, justify="left" if title == "rung" else "right", no_wrap=True)
        for row in self.rows():
            table.add_row(*row)
        return table

    def markdown(self, sha256: str) -> str:
        """Return the model card.

        Args:
            sha256: of the file of weights.
        """
        images, grey = self.data["images"], self.channels == 1
        training = ", ".join(f"{name} {value}" for name, value in self.training.items())
        lines = [
            f"# Model card: {self.name}",
            "",
            f"- **Network**: stride-2 convolutions of {', '.join(map(str, self.widths))} channels, "
            f"{self.num_features} features, {len(self.classes)} classes; sha256 `{sha256}`; genloom {self.genloom}.",
            f"- **Input**: {self.size}x{self.size} {'grey' if grey else 'colour'}, 8 bits; other sizes are resized by "
            "antialiased bilinear interpolation.",
            f"- **Trained on** the training split of {self.data['name']} ({images['train']:,} images, fingerprint "
            f"`{self.data['fingerprint'][:16]}…`): {training}. No validation or test image was used.",
            f"- **Scaled** by one constant, so that the trace of the covariance of real images is {self.num_features}.",
            f"- **Accuracy**: {self.right.removeprefix('accuracy ')}",
            *(f"- **Warning**: {warning}" for warning in self.warnings),
            "",
            "## Ladder",
            f"{self.sets} At fewer than 5,000 images read the kernel distance.",
            "",
            f"| {' | '.join(self.titles)} |",
            f"|{' --- |' * len(self.titles)}",
            *(f"| {' | '.join(row)} |" for row in self.rows()),
        ]
        return "\n".join(lines) + "\n"

    titles = ("rung", "fd", "times the floor", "kd")

    @property
    def sets(self) -> str:
        """What was compared with what."""
        return (
            f"{self.floor['n_heldout']:,} test images, damaged, against {self.floor['n_reference']:,} training images "
            f"of {self.data['name']}; the rung real is the floor."
        )

    @property
    def right(self) -> str:
        """The accuracies."""
        train, val, test, chance = (f"{self.accuracy[name]:.1%}" for name in ("train", "val", "test", "chance"))
        return f"accuracy {val} on validation images, {test} on test images, {train} on its own; by chance {chance}."


def _interval(found: dict[str, float], quantity: str) -> Interval | None:
    half = found.get(f"{quantity}_half_width")  # files of earlier versions have none of fd
    return None if half is None else (found[quantity] - half, found[quantity] + half)


def _written(value: float, interval: Interval | None) -> str:
    return f"{value:.4g}" if interval is None else f"{value:.3g} ± {half_width(interval):.2g}"
