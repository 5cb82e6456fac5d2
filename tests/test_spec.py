import json

import pytest
import torch

from genloom.contents.base import Content, why_not
from genloom.contents.condition import Condition
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.contents.series import CovariateScale, HistoryCondition, Scaler, SeriesContent
from genloom.contents.text import TextContent
from genloom.contents.vector import VectorContent
from genloom.contents.vocabulary import Characters
from genloom.errors import ConfigError, DataError
from genloom.spec import Spec

CONTENT = ImageContent(1, 16, 16)
EVERY_VALUE = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


def test_every_8_bit_value_survives_the_round_trip() -> None:
    encoded = CONTENT.encode(EVERY_VALUE)
    assert torch.equal(CONTENT.decode(encoded), EVERY_VALUE)
    assert encoded.min() == -1.0
    assert encoded.max() == 1.0
    assert encoded.flatten().diff().sub(1 / 127.5).abs().max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_decode(dtype: torch.dtype) -> None:
    decoded = CONTENT.decode(CONTENT.encode(EVERY_VALUE).to(dtype))
    limit = 0 if dtype == torch.float64 else 1  # bfloat16 keeps 8 significant bits
    assert (decoded.int() - EVERY_VALUE.int()).abs().max() <= limit


def test_encode_leaves_the_stored_values_alone() -> None:
    stored = EVERY_VALUE.clone()
    CONTENT.encode(stored)
    assert torch.equal(stored, EVERY_VALUE)


def test_decode_clamps_and_rounds() -> None:
    values = torch.tensor([1.01, -1.01, 5.0, -5.0, 1.0, -1.0, 0.0, 0.004, 0.3 / 127.5 - 1, 0.7 / 127.5 - 1])
    decoded = CONTENT.decode(values.reshape(1, 1, 1, -1)).flatten()
    # 0.0 is 127.5, rounded to the even neighbour
    assert decoded.tolist() == [255, 0, 255, 0, 255, 0, 128, 128, 0, 1]


def test_decode_returns_no_gradient_and_leaves_its_argument_alone() -> None:
    content = torch.full((1, 1, 4, 4), 2.0, requires_grad=True)
    assert not CONTENT.decode(content).requires_grad
    assert (content == 2.0).all()


LABELS = LabelContent(("cat", "猫", "0"))


@pytest.mark.parametrize("given", [{}, {"label": LABELS}, {"kind": LABELS, "sketch": CONTENT, "label": LABELS}])
def test_a_spec_survives_json(given: dict[str, Condition]) -> None:
    spec = Spec("mine", ImageContent(3, 48, 32, "handwritten_digits"), given)
    assert Spec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert spec.labels == given.get("label")


def test_labels_are_drawn_as_often_as_in_the_data_and_asked_for_by_name() -> None:
    labels = LabelContent(("a", "b", "c"), counts=(6, 0, 2))
    drawn = labels.draw(4000, torch.Generator().manual_seed(0))
    assert (drawn.bincount(minlength=3) / 4000).tolist() == pytest.approx([0.75, 0, 0.25], abs=0.03)
    assert labels.asked(["c", "a"], 5, "given.label").tolist() == [2, 0, 2, 0, 2]
    for texts, message in ((["a", "d"], "given.label: d is not among a, b, c"), ([], "given.label: none is not among")):
        with pytest.raises(ConfigError, match=message):
            labels.asked(texts, 2, "given.label")


def test_a_labelled_spec_needs_a_class() -> None:
    with pytest.raises(DataError, match="at least one class"):
        LabelContent(())
    for counts in ((3,), (3, -1), (1, 2, 3)):
        with pytest.raises(DataError, match=rf"counts of {len(counts)} classes, .* the 2 named"):
            LabelContent(("a", "b"), counts=counts)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 8, 8), "2 channels: 1 .grey. or 3 .colour."),
        ((1, 3, 8), "height 3 is below the limit of 4 pixels; set data.size"),
        ((3, 8, 3), "width 3 is below the limit of 4 pixels; set data.size"),
    ],
)
def test_impossible_images_are_refused(shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageContent(*shape)


@pytest.mark.parametrize(
    "content",
    [
        VectorContent(2, "ring"),
        TextContent(5, Characters("ab")),
        SeriesContent(3, ("load",), scalers=(Scaler("one", (0.5,), (2.0,), (0.0,)),)),
    ],
)
def test_every_kind_survives_json_by_its_dotted_name(content: Content) -> None:
    spec = Spec("mine", content, {"history": HistoryCondition(4, scales=(CovariateScale("heat", 1.0, 2.0),))})
    plain = json.loads(json.dumps(spec.to_dict()))
    assert plain["content"]["kind"] == f"{type(content).__module__}.{type(content).__name__}"
    assert Spec.from_dict(plain) == spec


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"kind": "genloom.contents.vector.VectorContent", "dim": 2, "colour": 1}, TypeError),
        ({"kind": "genloom.contents.vector.Nothing"}, KeyError),
        ({"kind": "genloom.contents.series.HistoryCondition", "look_back": 3}, TypeError),
        ({"kind": "genloom.judging.judge.Judge"}, (TypeError, KeyError)),
        ({"dim": 2}, KeyError),
    ],
)
def test_what_is_no_content_is_no_spec(content: dict, error: type[Exception]) -> None:
    with pytest.raises(error):
        Spec.from_dict({"name": "mine", "content": content, "given": {}})


def test_what_is_no_condition_is_no_spec() -> None:
    plain = Spec("mine", CONTENT, {"label": LABELS}).to_dict()
    plain["given"]["label"] = {"kind": "genloom.contents.series.Scaler", "series": "", "mean": [], "std": []}
    with pytest.raises(TypeError, match=r"label: genloom\.contents\.series\.Scaler is no condition"):
        Spec.from_dict(plain)


def test_a_class_is_found_before_anything_is_built() -> None:
    asked = []

    def find(name: str) -> type:
        asked.append(name)
        raise LookupError(name)

    spec = Spec("mine", TextContent(5, Characters("ab")))
    with pytest.raises(LookupError):
        Spec.from_dict(spec.to_dict(), find)
    assert asked == ["genloom.contents.text.TextContent"]


def test_a_part_is_refused_in_one_sentence_for_all() -> None:
    class Sharpening:
        kind = (ImageContent, VectorContent)

    class Tokens(Sharpening):
        kind = TextContent
        instead = "leave it out"

    spec = Spec("sea", SeriesContent(3, ("height",)))
    spec.check(object(), "model.anything")
    Spec("mine", CONTENT).check(Sharpening(), "model.sharpening")
    expected = (
        "model.sharpening: Sharpening is made for pictures or points, and data.name=sea holds series; choose model="
    )
    with pytest.raises(ConfigError, match=expected):
        spec.check(Sharpening, "model.sharpening")
    with pytest.raises(ConfigError, match=r"made for texts, and data\.name=sea holds series; leave it out$"):
        spec.check(Tokens(), "model.tokens")
    assert why_not(Sharpening(), VectorContent(2)) is None
    assert why_not(Sharpening, spec.content) == "made for pictures or points, and the data holds series"
