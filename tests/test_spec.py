import json

import pytest
import torch

from genloom.errors import DataError
from genloom.spec import ImageContent, LabelCondition, Spec

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


@pytest.mark.parametrize("condition", [None, LabelCondition(("cat", "猫", "0"))])
def test_a_spec_survives_json(condition: LabelCondition | None) -> None:
    spec = Spec("mine", ImageContent(3, 48, 32, "handwritten_digits"), condition)
    assert Spec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_labelled_spec_needs_a_class() -> None:
    with pytest.raises(DataError, match="at least one class"):
        LabelCondition(())


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
