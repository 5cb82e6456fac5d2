"""Guidance by a worse model of the same content, which a checkpoint holds."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import nodes
from genloom.batch import Given
from genloom.contents.image import ImageContent
from genloom.diffusion.prediction import Edm
from genloom.diffusion.process import Linear, RectifiedFlow, VarianceExploding
from genloom.errors import CapabilityError, CheckpointError, ConfigError
from genloom.networks.denoiser.dense import DenseDenoiser
from genloom.runs import checkpoint
from genloom.samplers import times
from genloom.samplers.euler import Euler
from genloom.samplers.guidance import denoised_by
from genloom.samplers.heun import Heun

GUIDE = nodes.diffusion("VarianceExploding", "Edm", width=8)


@pytest.fixture
def guide(tiny_diffusion, tiny_data, fit, tmp_path) -> tuple[Any, Path]:
    """A smaller model with another process and another prediction, and its checkpoint."""
    model = tiny_diffusion(
        network=partial(DenseDenoiser, width=8, blocks=1), process=VarianceExploding(), prediction=Edm()
    )
    return model, saved(model, tiny_data, fit, tmp_path / "guide.ckpt", GUIDE)


def saved(model, data, fit, path, description) -> Path:
    model.identity = {"model": description, "data": {}, "data_fingerprint": "none"}
    fit(model, data, max_steps=2, plugins=[checkpoint.SafeCheckpointIO()]).save_checkpoint(path)
    model.eval()
    return path


@pytest.mark.parametrize("process", [RectifiedFlow(), Linear()], ids=lambda process: type(process).__name__)
def test_a_model_is_guided_away_from_what_the_guide_says_of_the_same_level(guide, tiny_diffusion, process):
    other, path = guide
    model = tiny_diffusion(process=process)
    noised = torch.randn(3, 1, 4, 4)
    level = process.level(torch.tensor([0.6])).like(noised)
    own = model.denoise(noised, level)
    # at the same ratio content is whole where the variance explodes
    theirs = other.denoise(noised / level.alpha, other.process.level_of(level.ratio))
    guided = Heun(guidance=1.5, guide=str(path)).denoiser(model)(noised, level)
    torch.testing.assert_close(guided.clean, theirs.clean + 1.5 * (own.clean - theirs.clean), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(guided.noise, theirs.noise + 1.5 * (own.noise - theirs.noise), rtol=1e-4, atol=1e-4)
    alone = Heun(guidance=1.5, guide=str(path), guidance_to=100.0).denoiser(model)(noised, level)
    assert torch.equal(alone.clean, own.clean)


def test_pure_noise_is_the_most_that_the_guide_knows(guide):
    other, _ = guide
    noised = torch.randn(3, 1, 4, 4)
    level = RectifiedFlow().level(torch.ones(1)).like(noised)
    most = other.process.level(torch.ones(1)).like(noised)
    expected = other.denoise(most.sigma * noised, most)
    torch.testing.assert_close(denoised_by(other, noised, level, Given()).clean, expected.clean)


def test_a_guided_step_is_two_calls_and_the_protocol_knows_the_guide_by_its_digest(guide, tiny_diffusion):
    _, path = guide
    sampler = Euler(steps=4, times=times.Uniform(), guidance=2.0, guide=str(path))
    drawn = sampler.draw(tiny_diffusion(), 5, rng=torch.Generator().manual_seed(0)).content
    assert drawn.isfinite().all()
    values = sampler.protocol["values"]
    assert values["calls"] == 8 and values["guide"] == checkpoint.read(path)["digest"][:16]
    assert "guide" not in Euler(guide=str(path)).protocol["values"]  # it changes nothing
    assert Euler(guidance=2.0, guide="gone.ckpt").protocol["values"]["guide"] == "gone.ckpt"


def test_a_guide_that_cannot_be_one_is_refused(
    guide, tiny_spec, tiny_labelled, tiny_diffusion, tiny_gan, fit, tmp_path
):
    def refused(model, path, error, message):
        with pytest.raises(error, match=message):
            Heun(guidance=2.0, guide=str(path)).denoiser(model)

    _, path = guide
    larger = tiny_diffusion(spec=tiny_spec.__class__("large", ImageContent(1, 8, 8)))
    refused(
        larger, path, ConfigError, r"sampler.guide: .*guide.ckpt is of pictures of \(1, 4, 4\) of tiny, the model of"
    )
    refused(larger, tmp_path / "gone.ckpt", CheckpointError, r"^sampler.guide: .*gone.ckpt: no such checkpoint")
    told = tiny_diffusion(
        spec=tiny_labelled.describe(), network=partial(DenseDenoiser, width=8, blocks=1), process=VarianceExploding()
    )
    path = saved(told, tiny_labelled, fit, tmp_path / "told.ckpt", GUIDE)
    refused(tiny_diffusion(), path, ConfigError, r"told.ckpt is told the label, and the model is told nothing; name a")
    Heun(guidance=2.0, guide=str(path)).denoiser(tiny_diffusion(spec=tiny_labelled.describe()))


def test_a_guide_that_does_not_denoise_is_refused(tiny_gan, tiny_data, tiny_diffusion, fit, tmp_path):
    description = {
        "_target_": "genloom.models.gan.GAN",
        "generator": {"_target_": "genloom.networks.dense.DenseGenerator", "_partial_": True, "widths": [8]},
        "discriminator": {"_target_": "genloom.networks.dense.DenseDiscriminator", "_partial_": True, "widths": [8]},
        "latent": {"_target_": "genloom.distributions.latents.StandardNormal", "dim": 3},
        "objective": {"non_saturating": {"_target_": "genloom.objectives.gan.NonSaturating"}},
    }
    path = saved(tiny_gan(), tiny_data, fit, tmp_path / "gan.ckpt", description)
    with pytest.raises(CapabilityError, match=r"sampler.guide: .*gan.ckpt needs Denoise; this model offers"):
        Heun(guidance=2.0, guide=str(path)).denoiser(tiny_diffusion())


def test_a_guide_of_other_codes_is_refused(guide, tiny_diffusion, tiny_vae, monkeypatch):
    _, path = guide
    model, same, other = (tiny_diffusion(first_stage=tiny_vae()) for _ in range(3))
    for each in (model, same, other):
        each.latents.std.fill_(1.0)
    other.latents.mean.fill_(1.0)
    sampler = Heun(guidance=2.0, guide=str(path))
    with pytest.raises(ConfigError, match=r"guide.ckpt does not noise what the model does; name a guide of the same"):
        sampler.denoiser(model)
    for loaded in (same, other):
        monkeypatch.setattr("genloom.samplers.guidance._loaded", lambda *_, loaded=loaded: loaded)
        if loaded is other:
            with pytest.raises(ConfigError, match="does not noise what the model does"):
                sampler.denoiser(model)
        else:
            sampler.denoiser(model)
