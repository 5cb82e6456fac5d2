"""What a network is told: each condition as a vector, whatever its kind."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn

import genloom.networks
from discovery import classes, missing
from genloom.batch import NOTHING, Given
from genloom.contents.base import why_not
from genloom.contents.caption import CaptionCondition
from genloom.contents.condition import Condition
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.contents.text import PromptCondition, TextContent
from genloom.contents.vector import VectorContent
from genloom.contents.vocabulary import Characters
from genloom.errors import ConfigError, NeedsLabelsError
from genloom.networks import conditioning
from genloom.networks.embedders import (
    EMBEDDERS,
    CaptionEmbedder,
    Embedder,
    LabelEmbedder,
    PictureEmbedder,
    TextEmbedder,
    Told,
    ValuesEmbedder,
)
from genloom.networks.heads import Concatenation, Projection
from genloom.spec import Spec

CONDITIONS: dict[str, Condition] = {
    "label": LabelContent(("a", "b", "c")),
    "sketch": ImageContent(3, 12, 9),
    "caption": TextContent(5, Characters("abcd")),
    "prompt": PromptCondition(Characters("abcd")),
    "title": CaptionCondition(5, Characters("abcd")),
    "place": VectorContent(2),
}
VALUES = Given(
    label=torch.tensor([0, 2]),
    sketch=torch.rand(2, 3, 12, 9),
    caption=torch.tensor([[0, 1, 2, 3, 0], [3, 3, 3, 1, 2]]),
    prompt=torch.tensor([[1, 0], [2, 2]]),
    title=torch.tensor([[0, 1, 4, 4, 4], [3, 2, 1, 4, 4]]),
    place=torch.tensor([[0.5, -1.0], [2.0, 3.0]]),
)
SPEC = Spec("any", ImageContent(1, 8, 8), CONDITIONS)


@dataclass(frozen=True)
class Smell(Condition):
    """A condition that no embedder of genloom knows."""

    called = "smells"

    def encode(self, stored):
        return stored

    def decode(self, content):
        return content


class Nose(nn.Module):
    kind = Smell

    def __init__(self, condition: Smell, *, dim: int | None = None, std: float = 1.0) -> None:
        super().__init__()
        self.dim = dim or 4

    def forward(self, values):
        return values.new_ones(len(values), self.dim)


def test_every_embedder_is_chosen_for_some_condition_and_stands_in_one_list():
    assert missing(classes(Embedder, genloom.networks), EMBEDDERS) == []
    chosen = {next(each for each in EMBEDDERS if why_not(each, condition) is None) for condition in CONDITIONS.values()}
    assert chosen == set(EMBEDDERS)


@pytest.mark.parametrize("dim", [None, 7])
@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_becomes_a_vector_that_tells_values_apart_and_learns(name, dim):
    torch.manual_seed(0)
    told = Told(SPEC, "anybody", names=[name], dim=dim)
    vectors = told(VALUES)
    assert vectors.shape == (2, told.dim) and (dim is None or told.dim == dim)
    assert not torch.allclose(vectors[0], vectors[1])
    if list(told.parameters()):
        vectors.square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in told.parameters())


def test_labels_and_values_are_kept_as_they_are_where_no_length_is_wanted():
    assert torch.equal(Told(SPEC, "anybody", names=["label"])(VALUES), torch.eye(3)[[0, 2]])
    assert torch.equal(Told(SPEC, "anybody", names=["place"])(VALUES), VALUES["place"])
    both = Told(SPEC, "anybody", names=["place", "label"])
    assert torch.equal(both(VALUES), torch.cat([VALUES["place"], torch.eye(3)[[0, 2]]], 1)) and both.dim == 5


@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_first_vectors_spread_as_wanted_and_no_initialisation_of_a_network_changes_them(embedder):
    torch.manual_seed(0)
    conditions = {
        LabelEmbedder: LabelContent(tuple(map(str, range(400)))),
        PictureEmbedder: ImageContent(1, 16, 16),
        TextEmbedder: TextContent(9, Characters("abcdefgh")),
        CaptionEmbedder: CaptionCondition(9, Characters("abcdefgh")),
        ValuesEmbedder: VectorContent(50),
    }
    values = {
        LabelEmbedder: torch.arange(400),
        PictureEmbedder: torch.randn(400, 1, 16, 16),
        TextEmbedder: torch.randint(8, (400, 9)),
        CaptionEmbedder: torch.randint(9, (400, 9)).sort(1).values,
        ValuesEmbedder: torch.randn(400, 50),
    }[embedder]
    built = embedder(conditions[embedder], dim=64, std=0.3)
    spread = built(values).std().item()
    assert 0.02 < spread < 0.35, spread  # pictures and texts: no more than wanted
    if embedder in (LabelEmbedder, ValuesEmbedder):
        assert spread == pytest.approx(0.3, rel=0.1)
    for name, bias in built.named_parameters():
        assert not name.startswith(("project", "linear")) or not name.endswith("bias") or not bias.any()
    before = {name: value.clone() for name, value in built.state_dict().items()}
    nn.Sequential(built).apply(lambda module: nn.init.zeros_(module.weight) if hasattr(module, "weight") else None)
    assert all(torch.equal(before[name], value) for name, value in built.state_dict().items())


def test_what_stands_after_a_caption_is_not_told():
    torch.manual_seed(0)
    embedder = CaptionEmbedder(CaptionCondition.of(CONDITIONS["title"]))
    embedder.read = nn.GRU(32, 64, batch_first=True)  # forwards alone: backwards, what stands there is read first
    before = embedder(VALUES["title"])
    with torch.no_grad():
        embedder.tokens.weight[4] += 1
    assert torch.equal(embedder(VALUES["title"]), before)
    assert embedder(torch.full((1, 5), 4)).isfinite().all()


def test_a_dropped_condition_is_zeros_of_its_own_examples():
    told = Told(SPEC, "anybody", names=["label", "place"])
    dropped = Given(VALUES, dropped={"label": torch.tensor([True, False])})
    expected = told(VALUES).clone()
    expected[0, :3] = 0
    assert torch.equal(told(dropped), expected)
    assert torch.equal(told(dropped.map(lambda values: values.flip(0))), expected.flip(0))


def test_a_head_joins_every_condition_by_its_own_product():
    torch.manual_seed(0)
    features, some = torch.randn(2, 6), ["label", "place"]
    head = Projection(SPEC, 6, names=some)
    label, place = head.told.vectors(VALUES)
    expected = head.score(features).squeeze(1) + ((label + place) * features).sum(1)
    torch.testing.assert_close(head(features, VALUES).score, expected)
    joined = Concatenation(SPEC, 6, names=some, embedding_dim=4)
    assert joined.hidden.in_features == 6 + 2 * 4 and joined(features, VALUES).score.shape == (2,)


@pytest.mark.parametrize("conditioning", [conditioning.Concatenation, conditioning.ConditionalBatchNorm])
def test_a_conditioning_and_a_head_tell_by_the_embedder_that_is_chosen(conditioning):
    smelly, given = Spec("sea", SPEC.content, {"smell": Smell()}), Given(smell=torch.zeros(3))
    chosen = {"smell": partial(Nose, dim=2)}
    assert conditioning(smelly, embedders=chosen)(given).shape == (3, 2)
    assert isinstance(Projection(smelly, 6, embedders={"smell": Nose}).told.embedders[0], Nose)


def test_what_cannot_be_told_is_refused_with_its_name():
    with pytest.raises(NeedsLabelsError, match=r"^head needs labels, and data\.name=bare has none"):
        Told(Spec("bare", SPEC.content), "head")
    assert Told(Spec("bare", SPEC.content), "head", required=False).names == ()
    with pytest.raises(ConfigError, match=r"^head: colour is not among what data\.name=any gives: label, sketch"):
        Told(SPEC, "head", names=["colour"])
    with pytest.raises(ConfigError, match=r"^given\.place: a network is told the place, and there is none; give one"):
        Told(SPEC, "head", names=["place"])(NOTHING)
    smelly = Spec("sea", SPEC.content, {"smell": Smell()})
    with pytest.raises(ConfigError, match=r"^head: no embedder of genloom is made for smells; choose one as its"):
        Told(smelly, "head")
    assert Told(smelly, "head", embedders={"smell": partial(Nose, dim=2)})(Given(smell=torch.zeros(3))).shape == (3, 2)
    wrong = r"^head: embedders\.place: PictureEmbedder is made for pictures, and place of data\.name=any holds points"
    with pytest.raises(ConfigError, match=wrong):
        Told(SPEC, "head", embedders={"place": PictureEmbedder})
    with pytest.raises(ConfigError, match=r"^head: embedders has plaice, which is not among what is told: label"):
        Told(SPEC, "head", embedders={"plaice": ValuesEmbedder})
