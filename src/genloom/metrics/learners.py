"""What learns to predict from rows: scikit-learn's linear models and gradient-boosted trees, as they come."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int64
from torch import Tensor

from genloom.contents.table import TableContent

_MOST_LEVELS = 255  # that the trees take for categories; beyond them, they go by the levels' order


@dataclass(frozen=True)
class Learner(ABC):
    """A way to predict from the cells of rows.

    Attributes:
        name: ends the name of every number that it gave.

    Args:
        content: the columns that it predicts from, as :meth:`TableContent.neutral` encodes them.
    """

    name: ClassVar[str]
    content: TableContent

    @abstractmethod
    def features(self, stored: Float64[Tensor, "rows columns"]) -> Float64[np.ndarray, "rows features"]:
        """Return what the estimators see of rows."""

    @abstractmethod
    def classifier(self) -> Any:
        """Return a new one, to be fitted."""

    @abstractmethod
    def regressor(self) -> Any:
        """Return a new one, to be fitted."""

    def probabilities(
        self,
        train: Float64[Tensor, "rows columns"],
        classes: Int64[np.ndarray, " rows"],
        test: Float64[Tensor, "others columns"],
        num_classes: int,
    ) -> Float64[np.ndarray, "others num_classes"]:
        """Return those of each class for the rows of ``test``; 0 for classes that no training row has."""
        found = np.zeros((len(test), num_classes))
        seen = np.unique(classes)
        if len(seen) == 1:  # nothing to tell apart
            found[:, seen] = 1.0
        else:
            found[:, seen] = _fitted(self.classifier(), self.features(train), classes).predict_proba(
                self.features(test)
            )
        return found

    def values(
        self,
        train: Float64[Tensor, "rows columns"],
        targets: Float64[np.ndarray, " rows"],
        test: Float64[Tensor, "others columns"],
    ) -> Float64[np.ndarray, " others"]:
        """Return the predicted target of the rows of ``test``."""
        return _fitted(self.regressor(), self.features(train), targets).predict(self.features(test))


class Linear(Learner):
    """Logistic and ridge regression on encoded rows."""

    name = "linear"

    def features(self, stored: Float64[Tensor, "rows columns"]) -> Float64[np.ndarray, "rows features"]:
        """Encode."""
        return self.content.encode(stored).double().numpy()  # targets may be seconds: single precision is too coarse

    def classifier(self) -> Any:
        """Return a logistic regression."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=1000)

    def regressor(self) -> Any:
        """Return a ridge regression."""
        from sklearn.linear_model import Ridge

        return Ridge()


class Trees(Learner):
    """Gradient-boosted trees on the cells as they are stored, missing ones included."""

    name = "trees"

    def features(self, stored: Float64[Tensor, "rows columns"]) -> Float64[np.ndarray, "rows features"]:
        """Keep the cells."""
        return stored.numpy()

    @property
    def _settings(self) -> dict[str, Any]:
        chosen = [not column.is_measured and column.width <= _MOST_LEVELS for column in self.content.columns]
        return {"categorical_features": chosen, "random_state": 0}

    def classifier(self) -> Any:
        """Return one."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(**self._settings)

    def regressor(self) -> Any:
        """Return one."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        return HistGradientBoostingRegressor(**self._settings)


LEARNERS: tuple[type[Learner], ...] = (Linear, Trees)


def _fitted(estimator: Any, features: np.ndarray, targets: np.ndarray) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what it reached in so many steps is what is measured
        return estimator.fit(features, targets)
