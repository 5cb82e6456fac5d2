"""Types that cells have in a file which says so, by the names that stand for them in a checkpoint."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def named(name: str) -> "pl.DataType | None":
    """Return the type of that name; None if there is none."""
    return _types().get(name)


def name(dtype: "pl.DataType") -> str | None:
    """Return a type's name; None of one that holds no cells of columns, or that another one stands for."""
    return next((name for name, known in _types().items() if known == dtype), None)


def _types() -> "dict[str, pl.DataType]":
    import polars as pl

    plain = (
        pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(),
        pl.Float32(), pl.Float64(), pl.Boolean(), pl.String(), pl.Categorical(), pl.Date(),
    )  # fmt: skip
    times = {
        f"Datetime[{unit}{', UTC' if zone else ''}]": pl.Datetime(unit, zone)
        for unit in ("ms", "us", "ns")
        for zone in (None, "UTC")
    }
    return {**{type(each).__name__: each for each in plain}, **times}
