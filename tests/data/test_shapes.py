import pytest
import torch

from genloom.data.images.shapes import Shapes, draw
from genloom.errors import ConfigError


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    return Shapes(name="shapes", size=16, binarize="dynamic")


def test_every_combination_is_in_one_split_and_only_there(shapes):
    levels = torch.tensor(list(Shapes.factor_levels.values()))
    found = torch.cat([shapes.split(name).factors for name in ("train", "val", "test")])
    number = (found * (levels.prod() / levels.cumprod(0)).long()).sum(1)
    assert torch.equal(number.sort().values, torch.arange(int(levels.prod())))
    assert [len(shapes.split(name)) for name in ("train", "val", "test")] == [29_864, 2_000, 5_000]


def test_factors_stay_with_their_pictures(shapes):
    some = shapes.split("test")[torch.tensor([7, 3])]
    assert torch.equal(draw(some.factors, 16), some.content)
    assert torch.equal(shapes.modelled("test").factors, shapes.split("test").factors)
    assert torch.equal(some.labels, some.factors[:, 0])


def test_a_factor_does_what_its_name_says():
    def one(**levels: int) -> torch.Tensor:
        chosen = {"shape": 0, "scale": 5, "orientation": 0, "x": 8, "y": 8} | levels
        return draw(torch.tensor([list(chosen.values())]), 32)[0, 0].double()

    def centre(picture: torch.Tensor, axis: int) -> float:
        mass = picture.sum(1 - axis)
        return ((mass * (torch.arange(32) + 0.5)).sum() / mass.sum()).item()

    assert centre(one(x=15), 1) - centre(one(x=0), 1) == pytest.approx(0.44 * 32, abs=0.2)
    assert centre(one(y=15), 0) - centre(one(y=0), 0) == pytest.approx(0.44 * 32, abs=0.2)
    area = [one(scale=scale).sum().item() / 255 for scale in (0, 5)]
    assert area == pytest.approx([(2 * 0.85 * 0.12 * 32) ** 2, (2 * 0.85 * 0.22 * 32) ** 2], rel=0.05)
    for shape in range(3):  # eight orientations, all of them different pictures
        turned = torch.stack([one(shape=shape, orientation=level) for level in range(8)]).flatten(1)
        distances = torch.cdist(turned, turned) + torch.eye(8) * 1e9
        assert distances.min() > 100


def test_too_small_pictures_are_refused():
    with pytest.raises(ConfigError, match=r"data\.size: 8 is below the limit of 16"):
        Shapes(name="shapes", size=8)
