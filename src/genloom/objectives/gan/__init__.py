"""Adversarial objectives, regularisers and auxiliary terms: any list of terms over one game. Each derives from
``GanTerm`` (:mod:`.game`).
"""

from genloom.objectives.gan.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
)
from genloom.objectives.gan.auxiliary import AskedLevel, AuxiliaryClassification, CodeInformation
from genloom.objectives.gan.game import Draw, Game, GanTerm
from genloom.objectives.gan.regularisers import (
    R1,
    R2,
    Dragan,
    GradientPenalty,
    LeCam,
    PathLength,
    WeightClipping,
)

__all__ = [
    "R1",
    "R2",
    "AskedLevel",
    "AuxiliaryClassification",
    "CodeInformation",
    "Dragan",
    "Draw",
    "Game",
    "GanTerm",
    "GradientPenalty",
    "Hinge",
    "LeCam",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "PathLength",
    "RelativisticAverage",
    "RelativisticPairing",
    "Wasserstein",
    "WeightClipping",
]
