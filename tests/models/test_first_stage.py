"""Latent diffusion: a model of another's latents, which its checkpoint carries."""

from dataclasses import replace
from functools import partial

import pytest
import torch

import nodes
from genloom import randomness
from genloom.batch import Batch, Given
from genloom.contents.label import LabelContent
from genloom.errors import CapabilityError, CheckpointError, ConfigError
from genloom.networks.conditioning import Concatenation
from genloom.networks.denoiser.dense import DenseDenoiser
from genloom.runs import loading
from genloom.runs.checkpoint import SafeCheckpointIO

DENSE = {"_partial_": True, "widths": [8]}
AUTOENCODER = {
    "_target_": "genloom.models.vae.VAE",
    "encoder": {"_target_": "genloom.networks.dense.DenseEncoder", **DENSE},
    "decoder": {"_target_": "genloom.networks.dense.DenseDecoder", **DENSE},
    "bottleneck": {"_target_": "genloom.bottlenecks.gaussian.Gaussian", "_partial_": True, "dim": 3},
    "likelihood": {"_target_": "genloom.distributions.likelihoods.gaussian.LearnedGaussian", "_partial_": True},
    "objective": {"_target_": "genloom.objectives.vae.Elbo"},
}
DIFFUSION = {**nodes.diffusion(), "first_stage": "somewhere.ckpt"}


@pytest.fixture
def first_stage(tiny_vae, tiny_data, fit, tmp_path):
    """The checkpoint of a small autoencoder of the tiny pictures."""
    model = tiny_vae()
    model.identity = {"model": AUTOENCODER, "data": {}, "data_fingerprint": "none"}
    trainer = fit(model, tiny_data, max_steps=20, plugins=[SafeCheckpointIO()])
    trainer.save_checkpoint(tmp_path / "first.ckpt")
    return tmp_path / "first.ckpt"


def batch_of(data) -> Batch:
    return data.describe().batch(data.split("train"), torch.arange(100))


def test_it_is_of_normalised_latents_and_back(first_stage, tiny_diffusion, tiny_data, fit):
    model = tiny_diffusion(first_stage=loading.load(first_stage))
    before = {name: weights.clone() for name, weights in model.latents.model.state_dict().items()}
    fit(model, tiny_data, max_steps=3)
    codes = model.codes(batch_of(tiny_data))
    assert model.code_shape == codes.shape[1:] == (3,)
    torch.testing.assert_close(codes.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(codes.std(0), torch.ones(3), atol=1e-4, rtol=0)
    again = model.latents.model.reconstruct(batch_of(tiny_data)).content
    torch.testing.assert_close(model.of_codes(codes, batch_of(tiny_data).given).content, again)
    for name, weights in model.latents.model.state_dict().items():
        torch.testing.assert_close(weights, before[name], rtol=0, atol=0)
    assert all(not parameter.requires_grad for parameter in model.latents.parameters())


def test_its_checkpoint_alone_samples(first_stage, tiny_diffusion, tiny_data, fit, tmp_path):
    model = tiny_diffusion(first_stage=loading.load(first_stage))
    model.identity = {"model": DIFFUSION, "data": {}, "data_fingerprint": "none"}
    trainer = fit(model, tiny_data, max_steps=3, plugins=[SafeCheckpointIO()])
    trainer.save_checkpoint(tmp_path / "second.ckpt")
    first_stage.unlink()
    again = loading.load(tmp_path / "second.ckpt")
    first, second = (each.sample(5, rng=randomness.generator(1)).content for each in (model, again))
    assert first.shape == (5, 1, 4, 4)
    assert torch.equal(first, second)


def test_what_it_carries_is_a_stranger_as_it_is(first_stage, tiny_diffusion, tiny_data, fit, tmp_path):
    model = tiny_diffusion(first_stage=loading.load(first_stage))
    model.identity = {"model": DIFFUSION, "data": {}, "data_fingerprint": "none"}
    trainer = fit(model, tiny_data, max_steps=1)
    trainer.save_checkpoint(tmp_path / "second.ckpt")
    content = torch.load(tmp_path / "second.ckpt", weights_only=True)
    content.pop("digest", None)
    content["genloom"]["carried"]["first_stage"]["model"]["encoder"]["_target_"] = "os.system"
    SafeCheckpointIO().save_checkpoint(content, tmp_path / "third.ckpt")
    with pytest.raises(CheckpointError, match=r"'os.system' is not part of genloom"):
        loading.load(tmp_path / "third.ckpt")


def test_a_model_of_other_content_is_refused(first_stage, tiny_diffusion, tiny_spec):
    other = type(tiny_spec)("others", type(tiny_spec.content)(channels=1, height=8, width=8))
    with pytest.raises(ConfigError, match=r"model.first_stage: it was trained on tiny, .* data.name=others"):
        tiny_diffusion(spec=other, first_stage=loading.load(first_stage))


def test_a_model_without_one_vector_is_refused(tiny_diffusion, tiny_gan):
    with pytest.raises(CapabilityError, match=r"model.first_stage needs Encode; this model offers"):
        tiny_diffusion(first_stage=tiny_gan())


def test_a_path_that_is_none_is_named_with_its_key(tmp_path):
    with pytest.raises(CheckpointError, match=r"model.first_stage: .*no such checkpoint"):
        loading.carried_by({**DIFFUSION, "first_stage": str(tmp_path / "none")}, [])


def test_what_is_known_of_the_latents_stays(first_stage, tiny_diffusion, tiny_data, fit):
    model = tiny_diffusion(first_stage=loading.load(first_stage))
    model.latents.mean.fill_(2.0)
    model.latents.std.fill_(3.0)  # as a checkpoint that is continued says
    fit(model, tiny_data, max_steps=2)
    assert model.latents.mean.tolist() == [2.0] * 3
    assert model.latents.std.tolist() == [3.0] * 3


def test_what_only_the_first_stage_is_told_is_drawn_for_it_and_never_dropped(tiny_vae, tiny_diffusion, tiny_spec):
    spec = replace(tiny_spec, given={"label": LabelContent(("a", "b"))})
    model = tiny_diffusion(
        spec=spec,
        first_stage=tiny_vae(spec=spec, conditioning=Concatenation),
        network=partial(DenseDenoiser, width=16, blocks=1, conditions=()),
    )
    model.latents.std.fill_(1.0)
    assert set(model.conditions) == {"label"}
    assert model.sample(3, rng=torch.Generator().manual_seed(0)).content.shape == (3, 1, 4, 4)
    batch = Batch(torch.zeros(2, 1, 4, 4), torch.arange(2), Given(label=torch.tensor([0, 1])))
    dropped = Given(batch.given, dropped={"label": torch.tensor([True, True])})
    assert torch.equal(model.codes(replace(batch, given=dropped)), model.codes(batch))
