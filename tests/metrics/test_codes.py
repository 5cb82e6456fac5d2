"""How much of the codebooks is in use."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from genloom.metrics.codes import CodebookUse


def test_perplexity_is_that_of_each_place_and_not_of_all_places_together(tiny_data):
    """Two places that each use one code only know nothing of the example, however unlike the codes are."""

    def measured(*places: torch.Tensor) -> dict[str, Any]:
        codes = torch.stack(places, 1)
        model: Any = SimpleNamespace(
            num_codes=4,
            spec=tiny_data.describe(),
            encode=lambda batch, weights: {"codes": codes[batch.index]},
        )
        held: Any = SimpleNamespace(examples=tiny_data.split("test"))
        return CodebookUse(batch_size=30).measure(model, held, weights="raw")

    constant, uniform = torch.zeros(100, dtype=torch.long), torch.arange(100) % 4
    assert measured(constant, constant + 1)["codebook_perplexity"].value == pytest.approx(1)
    assert measured(uniform, uniform)["codebook_use"].value == pytest.approx(1)
    assert measured(uniform, constant)["codebook_perplexity"].value == pytest.approx(2)  # √(4 · 1)
    assert measured(uniform, constant)["codebook_perplexity"].details == {"of": 4, "unused": 3}
