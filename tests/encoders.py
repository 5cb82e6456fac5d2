"""A small encoder of points, for tests of what lies behind it."""

from genloom.contents.label import LabelContent
from genloom.contents.vector import VectorContent
from genloom.networks.conditioning import ConditionalEncoder, Conditioning
from genloom.networks.dense import DenseEncoder
from genloom.spec import Spec

POINTS = Spec("points", VectorContent(4), {"label": LabelContent(("a", "b"))})


def encoder(conditioning: type[Conditioning] = Conditioning) -> ConditionalEncoder:
    """Return six features of points with four coordinates."""
    return ConditionalEncoder(POINTS, DenseEncoder(POINTS, widths=[6]), conditioning(POINTS))
