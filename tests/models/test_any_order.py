"""A model of columns in any order learns them, and completes rows of which any part is given."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pytorch_lightning import Trainer

from genloom.batch import Given
from genloom.contents.transforms import Standard
from genloom.data.tables.rows import Rows
from genloom.distributions.outputs.variables import Variables
from genloom.errors import ConfigError
from genloom.models.any_order import AnyOrder
from genloom.models.generation import draw_examples
from genloom.networks.sequence.transformer import Transformer
from genloom.networks.table.variable_tokens import VariableTokens
from genloom.spec import Spec

NUM = 1000


def built(spec: Spec, **backbone: Any) -> AnyOrder:
    one = partial(Transformer, **{"width": 32, "layers": 1, "heads": 2, "causal": False, **backbone})
    return AnyOrder(
        spec,
        network=partial(VariableTokens, backbone=one),
        output=partial(Variables, components=2),
        optimizer={"network": partial(torch.optim.Adam, lr=5e-3)},
        ema_half_life_examples=5000,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, AnyOrder]:
    """Rows whose numbers go with each other and with a level, and a model of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=NUM)
    y = x + 0.3 * rng.normal(size=NUM)
    absent = rng.random(NUM) < np.where(x > 0, 0.5, 0.1)
    frame = pl.DataFrame(
        {
            "x": x.round(4),
            "y": pl.Series(y.round(4)).set(pl.Series(absent), None),
            "sign": np.where(x > 0, "above", "below"),
        }
    )
    path: Path = tmp_path_factory.mktemp("rows") / "rows.csv"
    frame.write_csv(path)
    data = Rows(name="rows", path=path, transform=Standard(), find_orders=False, batch_size=128)
    torch.manual_seed(0)
    model = built(data.describe())
    quiet: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    Trainer(max_steps=300, logger=False, accelerator="cpu", log_every_n_steps=1, **quiet).fit(model, data)
    return data, model.eval()


def completed(trained: tuple[Rows, AnyOrder], rows: list[list[float]], known: list[bool]) -> Any:
    """Return stored rows, completed from the named columns' cells."""
    data, model = trained
    content: Any = data.describe().content
    stored = torch.tensor(rows, dtype=torch.float64)
    widths = torch.tensor([column.width for column in content.columns])
    mask = torch.tensor(known).repeat_interleave(widths).expand(len(rows), -1)
    drawn = model.complete(content.encode(stored), mask, rng=torch.Generator().manual_seed(0))
    assert torch.equal(drawn.content[mask], content.encode(stored)[mask])
    return content.decode(drawn.content)


def test_rows_are_drawn_as_they_are(trained):
    real, ours = (each.content for each in (trained[0].split("train"), draw_examples(trained[1], 1000, seed=0)))
    both = ours[~ours[:, 1].isnan()]
    assert torch.corrcoef(both[:, :2].T)[0, 1] > 0.9
    assert ((ours[:, 0] > 0) == (ours[:, 2] == 0)).double().mean() > 0.9
    for positive in (True, False):
        shares = [rows[(rows[:, 0] > 0) == positive, 1].isnan().double().mean() for rows in (real, ours)]
        assert abs(shares[0] - shares[1]) < 0.08


@pytest.mark.parametrize(("given", "wanted"), [(0, 1), (1, 0)])
def test_either_number_is_drawn_given_the_other(trained, given, wanted):
    rows = [[0.9, 0.9, 0.0]] * 200
    drawn = completed(trained, rows, [place == given for place in range(3)])[:, wanted]
    there = drawn[~drawn.isnan()]
    assert abs(there.mean() - 0.9) < 0.2
    assert 0.15 < there.std() < 0.5
    if wanted == 1:
        assert abs(drawn.isnan().double().mean() - 0.5) < 0.15


def test_cells_that_are_asked_for_stay_in_every_row(trained):
    rows = draw_examples(trained[1], 260, seed=0, asked={"x": ["0.5", "-7.25"], "sign": ["above"]}).content
    assert torch.equal(rows[:, 0], torch.tensor([0.5, -7.25], dtype=torch.float64).repeat(130))
    assert (rows[:, 2] == 0).all()
    assert len(rows[:, 1].unique()) > 50
    with pytest.raises(ConfigError, match=r"given\.z: the model is told no z; it can be given x, y, sign"):
        draw_examples(trained[1], 2, seed=0, asked={"z": ["1"]})
    with pytest.raises(ConfigError, match="set num=2 or more"):
        draw_examples(trained[1], 1, seed=0, asked={"x": ["1", "2"]})


def test_what_is_not_allowed_is_not_chosen(trained):
    content, model = trained[0].describe().content, trained[1]
    start = torch.zeros(300, *content.shape)
    allowed = torch.ones_like(start, dtype=torch.bool)
    allowed[:, 3] = False  # y is missing
    drawn = model.complete(start, ~allowed & False, rng=torch.Generator().manual_seed(0), allowed=allowed)
    assert not content.decode(drawn.content)[:, 1].isnan().any()


def test_hidden_values_are_not_seen(trained):
    data, model = trained
    content = data.describe().content.encode(data.split("train").content[:8])
    told = torch.tensor([True, False, True, False]).expand(8, -1)
    other = content.clone()
    other[:, [1, 4, 5]] += 1  # hidden: y, and the sign
    with model.evaluating(model.network) as network:
        assert torch.equal(network(content, told), network(other, told))
        assert not torch.equal(network(content, told), network(content, ~told))


def test_a_flag_comes_before_its_number_and_columns_stay_together(trained):
    model = trained[1]
    order = model._order(500, torch.Generator().manual_seed(0)).tolist()
    assert all(row.index(2) + 1 == row.index(1) for row in order)  # y is a number, then its flag
    assert len({tuple(row) for row in order}) == 6


def test_the_probabilities_of_all_levels_are_one(trained):
    data, model = trained
    content = data.describe().content
    rows = torch.tensor([[0.3, torch.nan, 0.0], [0.3, torch.nan, 1.0]], dtype=torch.float64)
    batch = model.generated(content.encode(rows), Given())
    prediction = model.output(model.network(batch.content, torch.tensor([True, True, True, False]).expand(2, -1)))
    values = prediction.log_prob(batch.content)
    assert values[:, 3].exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert (values[:, 1] == 0).all()  # the number of a missing cell
    found = model.log_prob(batch, num_samples=3, rng=torch.Generator().manual_seed(0))
    assert found[0] > found[1]  # 0.3 is above


def test_parts_that_do_not_fit_are_refused(trained):
    spec = trained[0].describe()
    with pytest.raises(ConfigError, match="causal: true hides"):
        built(spec, causal=True)
    with pytest.raises(ConfigError, match="4 variables of a row are above the limit of 3"):
        built(spec, context=3)
    with pytest.raises(ConfigError, match=r"set data.given=\[\]"):
        built(Spec("rows", spec.content, {"sex": spec.content}))
