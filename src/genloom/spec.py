"""What a data set promises: the shape and kind of its content, what it is conditioned on, and the way back.

A spec is plain data. It is derived from the data once (``DataModule.describe()``), handed to the networks, which
build themselves from it, and stored in every checkpoint, so that sampling needs no data at all.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from jaxtyping import Float, Float32, Int, Int64, Integer, UInt8
from torch import Tensor

from genloom.contents.vocabulary import Bytes, Characters, Pieces, Vocabulary
from genloom.errors import DataError


@dataclass(frozen=True)
class ImageContent:
    """Images of one size, modelled as floats in [-1, 1] and kept as 8-bit values in the user's world.

    Args:
        channels: 1 (grey) or 3 (colour).
        height: pixels.
        width: pixels.
        domain: what the pictures show, where a metric depends on it (``handwritten_digits``), else None.
        binary: whether a model is trained on pixels that are 0 or 255, drawn from grey ones.
    """

    channels: int
    height: int
    width: int
    domain: str | None = None
    binary: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise DataError(f"images with {self.channels} channels: 1 (grey) or 3 (colour) are supported")
        for name, side in (("height", self.height), ("width", self.width)):
            if side < 4:
                raise DataError(f"image {name} {side} is below the limit of 4 pixels; set data.size")

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channels, height, width)``."""
        return self.channels, self.height, self.width

    def encode(
        self, stored: UInt8[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch channels height width"]:
        """Map 0..255 to [-1, 1]."""
        return stored.to(torch.get_default_dtype()).div_(127.5).sub_(1.0)

    def decode(
        self, content: Float[Tensor, "*batch channels height width"]
    ) -> UInt8[Tensor, "*batch channels height width"]:
        """Map [-1, 1] to 0..255: scale, clamp, round. The one way from floats to pixels."""
        return content.detach().float().add(1.0).mul_(127.5).clamp_(0.0, 255.0).round_().to(torch.uint8)


@dataclass(frozen=True)
class VectorContent:
    """Points of a vector space, modelled and kept as they are.

    Args:
        dim: coordinates of a point.
        domain: what the points are, where a metric depends on it (``ring``), else None.
    """

    dim: int
    domain: str | None = None

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise DataError(f"vectors of {self.dim} coordinates: at least 1 is needed")

    @property
    def shape(self) -> tuple[int]:
        """``(dim,)``."""
        return (self.dim,)

    def encode(self, stored: Float32[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Keep the values."""
        return stored.to(torch.get_default_dtype())

    def decode(self, content: Float[Tensor, "*batch dim"]) -> Float32[Tensor, "*batch dim"]:
        """Keep the values, in single precision."""
        return content.detach().float()


@dataclass(frozen=True)
class TextContent:
    """Tokens of a text, each modelled given those before it.

    Args:
        length: tokens of an example.
        vocabulary: how text becomes tokens, and back.
    """

    length: int
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        if self.length < 1:
            raise DataError(f"data.length: texts of {self.length} tokens are below the limit of 1")

    @property
    def shape(self) -> tuple[int]:
        """``(length,)``."""
        return (self.length,)

    def encode(self, stored: Integer[Tensor, "*batch length"]) -> Int64[Tensor, "*batch length"]:
        """Keep the tokens, as 64-bit integers."""
        return stored.long()

    def decode(self, content: Int[Tensor, "*batch length"]) -> Int64[Tensor, "*batch length"]:
        """Keep the tokens."""
        return content.detach().long()


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each target of one series, over its training rows.

    Args:
        series: the series' name.
        mean: in the user's units.
        std: in the user's units, above 0.
        naive_error: mean absolute error of the seasonal naive forecast within the training rows, scaled: the unit of
            the mean absolute scaled error; Hyndman and Koehler, Another Look at Measures of Forecast Accuracy, 2006.
            0 where it is not known or the series repeats exactly.
    """

    series: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    naive_error: tuple[float, ...]


@dataclass(frozen=True)
class SeriesContent:
    """The next values of a series, scaled by its training rows' mean and standard deviation.

    Args:
        horizon: steps that are forecast.
        channels: names of the targets.
        season: steps after which the series repeats, as far as it does.
        frequency: seconds between two steps, a month being 2,629,746 (a twelfth of the Gregorian calendar's mean
            year); None if steps are numbered.
        scalers: of the training series.
    """

    horizon: int
    channels: tuple[str, ...]
    season: int = 1
    frequency: float | None = None
    scalers: tuple[Scaler, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("horizon", self.horizon), ("season", self.season)):
            if value < 1:
                raise DataError(f"data.{name}: {value} is below the limit of 1 step")
        if not self.channels:
            raise DataError("data.targets: no column is chosen; name at least one")

    @property
    def shape(self) -> tuple[int, int]:
        """``(horizon, channels)``."""
        return self.horizon, len(self.channels)

    def encode(self, stored: Float[Tensor, "*batch horizon channels"]) -> Float[Tensor, "*batch horizon channels"]:
        """Keep the scaled values."""
        return stored.to(torch.get_default_dtype())

    def decode(self, content: Float[Tensor, "*batch horizon channels"]) -> Float32[Tensor, "*batch horizon channels"]:
        """Keep the scaled values, in single precision."""
        return content.detach().float()


Content = ImageContent | VectorContent | TextContent | SeriesContent


@dataclass(frozen=True)
class LabelCondition:
    """One label per example.

    Args:
        classes: the class names; a label is an index into them.
        counts: training examples of each class, by which a model draws the classes of its samples; None is equally.
    """

    classes: tuple[str, ...]
    counts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            raise DataError("labelled data with no class names: give at least one class")


@dataclass(frozen=True)
class CovariateScale:
    """Mean and standard deviation of a numeric covariate, over the training rows of all series.

    Args:
        column: its name.
        mean: in the user's units.
        std: in the user's units, above 0.
    """

    column: str
    mean: float
    std: float


@dataclass(frozen=True)
class HistoryCondition:
    """The past of a series, and what is known beside it.

    Args:
        look_back: steps of the past that a model sees.
        past_covariates: columns that are known up to the present.
        future_covariates: columns that are known ahead, over the horizon too; the calendar's features come last.
        static_covariates: values that do not change within a series: numeric columns, and ``column=value`` for each
            value of the others.
        scales: of the numeric columns among these.
        calendar: what is known of each time stamp by the calendar: ``hour``, ``weekday``, ``month``.
        time: the column of the time stamps.
        series_id: the column that names the series; None if there is but one.
    """

    look_back: int
    past_covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    static_covariates: tuple[str, ...] = ()
    scales: tuple[CovariateScale, ...] = ()
    calendar: tuple[str, ...] = ()
    time: str | None = None
    series_id: str | None = None

    def __post_init__(self) -> None:
        if self.look_back < 1:
            raise DataError(f"data.look_back: {self.look_back} is below the limit of 1 step")


@dataclass(frozen=True)
class Spec:
    """The promise of one data set.

    Args:
        name: the data set's name, as its configuration calls it.
        content: what is modelled.
        condition: what it may be conditioned on; None for unlabelled data, and for text, which follows on itself.
        num_examples: training examples, which some objectives weigh by; None if nobody counted them.
    """

    name: str
    content: Content
    condition: LabelCondition | HistoryCondition | None = None
    num_examples: int | None = None

    @property
    def labels(self) -> LabelCondition | None:
        """The classes, if the examples have any."""
        return self.condition if isinstance(self.condition, LabelCondition) else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers."""
        return _plain(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Spec":
        """Rebuild a spec from :meth:`to_dict`'s result."""
        return _rebuilt(plain)


_KINDS: dict[str, type] = {
    "spec": Spec,
    "image": ImageContent,
    "vector": VectorContent,
    "text": TextContent,
    "series": SeriesContent,
    "scaler": Scaler,
    "covariate_scale": CovariateScale,
    "characters": Characters,
    "bytes": Bytes,
    "pieces": Pieces,
    "labels": LabelCondition,
    "history": HistoryCondition,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        values = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"kind": _NAMES[type(value)], **values}  # pyright: ignore[reportArgumentType]
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _rebuilt(plain: Any) -> Any:
    if isinstance(plain, dict):
        kind = _KINDS[plain["kind"]]
        return kind(**{name: _rebuilt(value) for name, value in plain.items() if name != "kind"})
    return tuple(_rebuilt(each) for each in plain) if isinstance(plain, list) else plain
