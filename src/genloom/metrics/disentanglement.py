"""Whether single units of a latent stand for single factors of the data, where those are known."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genloom.examples import Examples
from genloom.judging.measuring import Held, Measurement
from genloom.judging.metric import Direction, Score
from genloom.limits import Count, Whole
from genloom.models.abilities import Encodes, Model, offers


@dataclass(frozen=True)
class Disentanglement(Measurement):
    """The mutual information gap, and disentanglement, completeness and informativeness, of the most typical latents.

    ``mig``: Chen et al., Isolating Sources of Disentanglement in Variational Autoencoders, 2018, section 4.1, by
    histograms as Locatello et al., Challenging Common Assumptions, 2019, take it. ``dci_*``: Eastwood and Williams, A
    Framework for the Quantitative Evaluation of Disentangled Representations, 2018, as Locatello et al. take them: the
    importances are those of gradient boosted trees, scikit-learn's with their defaults, one classifier per factor
    (https://github.com/google-research/disentanglement_lib, evaluation/metrics/dci.py). They are fitted to one half of
    the examples, there to 10,000; informativeness is their accuracy on the other half.

    Args:
        bins: of a unit's histogram, equally wide between its extremes.
        boosting_rounds: trees per class of a factor; 100 in the literature; 0 leaves out DCI.
        batch_size: examples at once.
    """

    requires = Encodes
    quantities: ClassVar = {
        "mig": Direction.HIGHER,
        "dci_disentanglement": Direction.HIGHER,
        "dci_completeness": Direction.HIGHER,
        "dci_informativeness": Direction.HIGHER,
    }

    bins: Count = 20
    boosting_rounds: Whole = 100
    batch_size: Count = 500

    def quick(self) -> "Disentanglement":
        """Return the gap alone: thousands of trees take half a minute."""
        return replace(self, boosting_rounds=0)

    def why_not(self, model: Model, examples: Examples) -> str | None:
        """Refuse codes, and data whose factors nobody knows."""
        if examples.factors is None:
            return "the factors of this data are not known; data=shapes has some"
        if offers(model, Encodes) and model.num_codes:
            return "it is of units, not of codes"
        return super().why_not(model, examples)

    def measure(self, model: Encodes, held: Held) -> dict[str, Score]:
        """Return all four."""
        assert held.examples.factors is not None
        codes: list[Tensor] = []
        for batch in model.spec.batches(held.examples, self.batch_size):
            latent = model.encode(batch)
            codes.append(torch.cat([value.flatten(1).double().cpu() for value in latent.values()], dim=1))
        return self.scores(torch.cat(codes), held.examples.factors)

    def scores(self, units: Float[Tensor, "num units"], factors: Int[Tensor, "num factors"]) -> dict[str, Score]:
        """Return all that are wanted, of the units of some examples and the factors that made them."""
        gaps = information_gaps(units, factors, self.bins)
        gap = {"mig": Score(gaps.mean().item(), details={"by_factor": gaps.tolist()})}
        if not self.boosting_rounds:
            return gap
        importances, accuracy = _boosted_trees(units.numpy(), factors.numpy(), self.boosting_rounds)
        return gap | {
            "dci_disentanglement": Score(_certainty(importances)),
            "dci_completeness": Score(_certainty(importances.T)),
            "dci_informativeness": Score(float(accuracy.mean()), details={"by_factor": accuracy.tolist()}),
        }


def information_gaps(
    units: Float[Tensor, "num units"], factors: Int[Tensor, "num factors"], bins: int
) -> Float[Tensor, " factors"]:
    """Return, for each factor, how much more the best unit knows of it than the second, as a share of its entropy."""
    low, high = units.amin(0), units.amax(0)
    binned = ((units - low) / (high - low).clamp_min(1e-12) * bins).long().clamp_max(bins - 1)
    gaps = []
    for factor in factors.T:
        information = torch.stack([_mutual_information(unit, factor) for unit in binned.T])
        first, second = torch.cat([information, information.new_zeros(1)]).topk(2).values  # one unit has no second
        gaps.append((first - second) / _mutual_information(factor, factor))
    return torch.stack(gaps)


def _mutual_information(a: Int[Tensor, " num"], b: Int[Tensor, " num"]) -> Float[Tensor, ""]:
    """Return I(a; b) of the empirical distribution, nats; I(a; a) is the entropy."""
    num_b = int(b.max()) + 1
    joint = torch.bincount(a * num_b + b, minlength=(int(a.max()) + 1) * num_b).view(-1, num_b).double() / len(a)
    entropy = torch.special.entr
    return entropy(joint.sum(0)).sum() + entropy(joint.sum(1)).sum() - entropy(joint).sum()


def _boosted_trees(
    units: Float[np.ndarray, "num units"], factors: Int[np.ndarray, "num factors"], rounds: int
) -> tuple[Float[np.ndarray, "units factors"], Float[np.ndarray, " factors"]]:
    """Return how much each unit helps to tell each factor, and how often it is told right."""
    from sklearn.ensemble import GradientBoostingClassifier

    half = len(units) // 2

    def of_factor(factor: Int[np.ndarray, " num"]) -> tuple[Float[np.ndarray, " units"], float]:
        classifier = GradientBoostingClassifier(n_estimators=rounds, random_state=0)
        classifier.fit(units[:half], factor[:half])
        return np.asarray(classifier.feature_importances_), float(classifier.score(units[half:], factor[half:]))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # trees grow without Python's lock
        importances, accuracies = zip(*pool.map(of_factor, factors.T), strict=True)
    return np.stack(importances, axis=1), np.asarray(accuracies)


def _certainty(importances: Float[np.ndarray, "rows columns"]) -> float:
    """Return 1 − the entropy of each row over its columns, in units of a uniform one's; rows weigh by their sums.

    A single column leaves no doubt: 1. Where nothing is of any importance, nothing is certain: 0.
    """
    weights = importances.sum(1)
    if not weights.any():
        return 0.0
    shares = importances / np.maximum(weights, 1e-12)[:, None]
    certainty = 1 + (shares * np.log(np.maximum(shares, 1e-300))).sum(1) / math.log(max(2, importances.shape[1]))
    return float((certainty * weights).sum() / weights.sum())
