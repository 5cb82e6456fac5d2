"""A family trains on any loader: of batches, of tensors, of tensors and class indices."""

from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from genloom.contents.image import ImageContent
from genloom.errors import ConfigError
from genloom.models.pca import PCA
from genloom.models.training.passes import Passes, as_batch
from genloom.objectives.vae import BetaTc
from genloom.spec import Spec


def content_of(data):
    return ImageContent(1, 4, 4).encode(data.split("train").content)


def test_a_closed_form_is_the_same_from_a_plain_loader(fit, tiny_data, tiny_spec):
    sgd = {"parameters": partial(torch.optim.SGD, lr=1.0)}
    own, plain = (PCA(tiny_spec, dim=3, optimizer=sgd) for _ in range(2))
    fit(own, tiny_data, max_steps=1)
    loader = DataLoader(TensorDataset(content_of(tiny_data)), batch_size=30)  # 30, 30, 30, 10
    fit(plain, loader, max_steps=1)
    for name, value in own.state_dict().items():
        torch.testing.assert_close(plain.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_what_needs_other_examples_than_a_plain_loader_gives_says_so(fit, tiny_data, tiny_vae):
    trainer = fit(tiny_vae(), DataLoader(TensorDataset(content_of(tiny_data)), batch_size=30), max_steps=2)
    assert [len(batch) for batch in Passes(trainer, Spec("tiny", ImageContent(1, 4, 4)), "train")] == [30, 30, 30, 10]
    with pytest.raises(ConfigError, match="needs val examples, which a plain loader does not give"):
        next(iter(Passes(trainer, Spec("tiny", ImageContent(1, 4, 4)), "val")))


def test_what_a_loader_yields_is_a_batch_or_becomes_one(tiny_batch):
    assert as_batch(tiny_batch) is tiny_batch
    content, index = torch.zeros(3, 1, 4, 4), torch.tensor([2, 0, 1])
    for loaded in (content, (content,), [content]):
        batch = as_batch(loaded)
        assert (batch.content is content, batch.given, batch.index.tolist()) == (True, {}, [0, 1, 2])
    labelled = as_batch((content, index)).given
    assert labelled.keys() == {"label"} and labelled["label"] is index
    for loaded in ({"x": content}, (content, index, index), [content, "a"], "text"):
        with pytest.raises(ConfigError, match=f"the loader yields {type(loaded).__name__} of .*; give genloom"):
            as_batch(loaded)


def test_an_objective_that_weighs_by_the_number_of_examples_asks_for_it(tiny_vae):
    with pytest.raises(ConfigError, match=r"BetaTc weighs by .*; give it, as Spec\('tiny', …, num_examples="):
        tiny_vae(objective=BetaTc(), spec=Spec("tiny", ImageContent(1, 4, 4)))
    assert tiny_vae(objective=BetaTc()).spec.num_examples == 100
