"""Tables that scikit-learn ships inside its package."""

from typing import Any, Literal

import numpy as np

from genloom.data.tables.rows import Rows
from genloom.data.tables.table import Table


class EmbeddedRows(Rows):
    """One of scikit-learn's tables, in the units in which it was measured; the column ``target`` comes last.

    Breast cancer: Street et al., Nuclear Feature Extraction for Breast Tumor Diagnosis, 1993. Wine: Aeberhard and
    Forina, UCI, 1992. Iris: Fisher, The Use of Multiple Measurements in Taxonomic Problems, 1936. Diabetes: Efron et
    al., Least Angle Regression, 2004.

    Args:
        table: ``breast_cancer``, ``diabetes``, ``iris`` or ``wine``.
        **rows: see :class:`~genloom.data.tables.rows.Rows`.
    """

    def __init__(self, *, table: Literal["breast_cancer", "diabetes", "iris", "wine"], **rows: Any) -> None:
        super().__init__(**rows)
        self.embedded = table

    def table(self) -> Table:
        """Return the table; classes by their names."""
        import polars as pl
        from sklearn import datasets

        whole: Any = {
            "breast_cancer": datasets.load_breast_cancer,
            "diabetes": lambda: datasets.load_diabetes(scaled=False),
            "iris": datasets.load_iris,
            "wine": datasets.load_wine,
        }[self.embedded]()
        columns = {name: whole.data[:, place] for place, name in enumerate(whole.feature_names)}
        names = getattr(whole, "target_names", None)
        target = whole.target if names is None else np.asarray(names).astype(str)[whole.target]
        return Table.made(pl.DataFrame(columns | {"target": target}), self.name)
