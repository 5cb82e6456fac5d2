"""Several labels are drawn as they occur together."""

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from genloom.batch import Given
from genloom.contents.joint import Joint, joint
from genloom.contents.label import LabelContent
from genloom.contents.vector import VectorContent
from genloom.data.tables.rows import Rows
from genloom.networks.conditioning import Concatenation
from genloom.networks.dense import DenseDiscriminator, DenseGenerator
from genloom.networks.heads import Projection
from genloom.spec import Spec

LABELS = {"sex": LabelContent(("F", "M"), (5, 5)), "job": LabelContent(("a", "b", "c"), (4, 5, 1))}
TOGETHER = Joint(("sex", "job"), ((0, 0), (0, 2), (1, 1)), (40, 10, 50))


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_combinations_are_as_frequent_as_they_are_in_the_examples():
    drawn = TOGETHER.draw(5000, rng(), {})
    found, counts = torch.stack(list(drawn.values()), 1).unique(dim=0, return_counts=True)
    assert tuple(map(tuple, found.tolist())) == TOGETHER.combinations
    assert counts / 5000 == pytest.approx(torch.tensor([0.4, 0.1, 0.5]), abs=0.02)


def test_what_is_known_stays_and_the_others_go_with_it():
    known = torch.arange(5000) % 2
    drawn = TOGETHER.draw(5000, rng(), {"sex": known})
    assert torch.equal(drawn["sex"], known)
    assert (drawn["job"][known == 1] == 1).all()
    assert (drawn["job"][known == 0] == 2).double().mean() == pytest.approx(0.2, abs=0.03)
    both = TOGETHER.draw(3, rng(), {"sex": known[:3], "job": known[:3]})
    assert torch.equal(both["job"], known[:3])
    assert TOGETHER.draw(0, rng(), {})["sex"].shape == (0,)


def test_classes_that_occur_in_no_combination_go_with_any():
    alone = Joint(("sex", "job"), ((0, 0), (0, 1)), (90, 10))
    drawn = alone.draw(1000, rng(), {"sex": torch.ones(1000, dtype=torch.long)})
    assert (drawn["sex"] == 1).all() and 0.05 < (drawn["job"] == 1).double().mean() < 0.2


def test_labels_are_counted_together_and_a_part_of_very_many_combinations_is_kept():
    given = {"sex": torch.tensor([0, 1, 1, 0]), "job": torch.tensor([2, 1, 1, 2]), "place": torch.zeros(4, 3)}
    found = joint({**LABELS, "place": VectorContent(3)}, given)
    assert found == Joint(("sex", "job"), ((0, 2), (1, 1)), (2, 2))
    assert joint({"sex": LABELS["sex"], "place": VectorContent(3)}, given) is None
    many = {name: LabelContent(tuple(map(str, range(3000)))) for name in "ab"}
    places = torch.arange(3000)
    some = joint(many, {"a": places, "b": places})
    assert some is not None and len(some.counts) == 1000 and all(a == b for a, b in some.combinations)
    assert len(set(some.combinations)) == 1000 and max(some.combinations)[0] > 2000  # of all examples, not the first


def test_a_model_draws_what_nobody_asks_for_together_and_its_spec_comes_back(tmp_path: Path, tiny_gan):
    city = np.arange(300) % 3
    frame = {"city": np.array(["x", "y", "z"])[city], "land": np.array(["A", "A", "B"])[city], "v": np.arange(300) / 7}
    pl.DataFrame(frame).write_csv(tmp_path / "t.csv")
    spec = Rows(name="t", path=tmp_path / "t.csv", given=["city", "land"]).describe()
    assert Spec.from_dict(spec.to_dict()) == spec and spec.joint is not None

    model = tiny_gan(
        spec=spec,
        generator=partial(DenseGenerator, widths=[4], conditioning=Concatenation),
        discriminator=partial(DenseDiscriminator, widths=[4], head=Projection),
    )
    for known in (None, Given(land=torch.ones(200, dtype=torch.long)), Given(city=torch.arange(200) % 3)):
        drawn = model.draw_given(200, rng(), known)
        assert torch.equal(drawn["land"] == 1, drawn["city"] == 2)
        for name, values in (known or {}).items():
            assert torch.equal(drawn[name], values)
