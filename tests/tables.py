"""A table with columns of every kind, some of whose cells are missing."""

import datetime
from pathlib import Path

import numpy as np
import polars as pl

from genloom.contents.table import TableContent
from genloom.data.tables.rows import Rows


def mixed(folder: Path, num: int = 400, **arguments: object) -> Rows:
    """Return rows: ``age`` and ``income`` go together, ``city`` and ``smoker`` go with ``age``, ``visit`` with none."""
    rng = np.random.default_rng(0)
    age = rng.integers(18, 90, num)
    city = np.where(age + rng.normal(0, 20, num) > 60, "Bonn", rng.choice(["Aachen", "Köln"], num))
    bmi = [None if rng.random() < 0.2 else float(np.round(rng.normal(25, 4), 1)) for _ in range(num)]
    columns = {
        "age": age,
        "income": np.round(age * 100 + rng.lognormal(7, 1, num), 2),
        "visit": [datetime.date(2020, 1, 1) + datetime.timedelta(days=int(day)) for day in rng.integers(0, 900, num)],
        "bmi": bmi,
        "city": [None if rng.random() < 0.1 else str(name) for name in city],
        "smoker": np.where(age + rng.normal(0, 15, num) > 50, "yes", "no"),
    }
    pl.DataFrame(columns).write_csv(folder / "mixed.csv")
    return Rows(name="mixed", path=folder / "mixed.csv", **arguments)  # pyright: ignore[reportArgumentType]


def content(rows: Rows) -> TableContent:
    """Return what they hold."""
    return TableContent.of(rows.describe().content)
