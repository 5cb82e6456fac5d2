"""Networks of the library diffusers; here a stand-in of the same interface, in tests/integration the library itself."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from genloom import randomness
from genloom.contents.image import ImageContent
from genloom.contents.vector import VectorContent
from genloom.diffusion.prediction import Clean, Noise
from genloom.diffusion.process import Level, Linear, RectifiedFlow, VarianceExploding
from genloom.errors import ConfigError
from genloom.networks.denoiser.diffusers import DiffusersUNet
from genloom.runs import changes, checkpoint, loading
from genloom.spec import Spec

SPEC = Spec("tiny", ImageContent(1, 4, 4), num_examples=100)
CONFIG = {"_class_name": "UNet2DModel", "in_channels": 1, "out_channels": 1, "block_out_channels": [4, 8]}


class UNet2DModel(torch.nn.Module):
    """What is read of the library's: built from a configuration or a folder, called with times."""

    def __init__(self, in_channels: int = 3, out_channels: int = 3, block_out_channels=(4,), **_) -> None:
        super().__init__()
        self.width = block_out_channels[0]
        self.first = torch.nn.Conv2d(in_channels + 1, self.width, 3, padding=1)
        self.last = torch.nn.Conv2d(self.width, out_channels, 1)

    def forward(self, sample, timestep):
        assert sample.shape[-1] % 2 == 0  # padded to halvings
        times = (timestep / 1000).view(-1, 1, 1, 1).expand(len(sample), 1, *sample.shape[2:])
        return SimpleNamespace(sample=self.last(self.first(torch.cat([sample, times], 1)).sin()))

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    @classmethod
    def from_pretrained(cls, folder, *, local_files_only, use_safetensors, low_cpu_mem_usage, torch_dtype):
        assert local_files_only and use_safetensors and torch_dtype == torch.float32 and not low_cpu_mem_usage
        model = cls(**json.loads((Path(folder) / "config.json").read_text()))
        model.load_state_dict(load_file(Path(folder) / "diffusion_pytorch_model.safetensors"))
        return model.eval()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A pipeline's folder, as the library writes it."""
    monkeypatch.setitem(sys.modules, "diffusers", SimpleNamespace(UNet2DModel=UNet2DModel))
    torch.manual_seed(1)
    (tmp_path / "ddpm" / "unet").mkdir(parents=True)
    (tmp_path / "ddpm" / "scheduler").mkdir()
    write(tmp_path / "ddpm" / "unet" / "config.json", CONFIG)
    write(tmp_path / "ddpm" / "scheduler" / "scheduler_config.json", {"prediction_type": "epsilon", "beta_end": 0.03})
    model = UNet2DModel(1, 1, (4, 8))
    save_file(model.state_dict(), tmp_path / "ddpm" / "unet" / "diffusion_pytorch_model.safetensors")
    return tmp_path / "ddpm"


def write(file: Path, values: dict) -> None:
    file.write_text(json.dumps(values))


def test_at_the_times_of_its_schedule_it_says_what_it_was_trained_to_say(folder):
    network = DiffusersUNet(SPEC, path=str(folder)).eval()
    theirs = UNet2DModel.from_pretrained(
        folder / "unet", local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False, torch_dtype=torch.float32
    )
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.03, 1000, dtype=torch.float64), 0)
    times = torch.tensor([0, 7, 500, 999])
    noised = torch.randn(4, 1, 4, 4)
    level = Level(kept[times].sqrt().float(), (1 - kept[times]).sqrt().float())
    assert (network.time(level) - times).abs().max() < 0.01
    said = theirs(noised, times).sample
    torch.testing.assert_close(network(noised, level), said, rtol=1e-4, atol=1e-4)
    for process in (RectifiedFlow(), VarianceExploding()):  # the same content and noise on another path
        other = process.level_of(level.ratio)
        scaled = noised * (other.sigma / level.sigma).view(-1, 1, 1, 1)
        torch.testing.assert_close(network(scaled, other), said, rtol=1e-4, atol=1e-4)
    between = Level(*(each[1:3].mean(0, keepdim=True) for each in level))
    assert 7 < float(network.time(between)) < 500
    pure = Level(torch.zeros(1), torch.ones(1))
    assert network.time(pure) == 999 and network.time(Level(torch.ones(1), torch.full((1,), 1e-9))) == 0


def test_the_limit_of_the_schedule_is_the_linear_process(folder):
    write(folder / "scheduler" / "scheduler_config.json", {})
    network = DiffusersUNet(SPEC, path=str(folder))
    times = torch.linspace(0.1, 0.9, 9)
    assert (network.time(Linear().level(times)) - 1000 * times).abs().max() < 5


def test_a_checkpoint_needs_no_folder(folder, tiny_diffusion, tiny_data, fit, tmp_path):
    target = {"_target_": "genloom.networks.denoiser.diffusers.DiffusersUNet", "_partial_": True, "path": str(folder)}
    description = {
        "_target_": "genloom.models.diffusion.Diffusion",
        "network": target,
        "process": {"_target_": "genloom.diffusion.process.Linear"},
        "prediction": {"_target_": "genloom.diffusion.prediction.Noise"},
        "objective": {"_target_": "genloom.objectives.denoising.Denoising"},
        "ema_half_life_examples": 50,
    }
    model = tiny_diffusion(
        network=lambda spec: DiffusersUNet(spec, path=str(folder)),
        process=Linear(),
        prediction=Noise(),
        ema_half_life_examples=50,
        identity={"model": description, "data": {}, "data_fingerprint": "none"},
    )
    before = model.denoiser.unet.last.weight.clone()
    assert model.denoiser.unet.training
    fit(model, tiny_data, max_steps=2, plugins=[checkpoint.SafeCheckpointIO()]).save_checkpoint(tmp_path / "a.ckpt")
    assert not torch.equal(model.denoiser.unet.last.weight, before)  # fine-tuned
    shutil.rmtree(folder)
    again = loading.load(tmp_path / "a.ckpt")
    drawn, same = (each.sample(3, rng=randomness.generator(0)).content for each in (model.eval(), again))
    assert torch.equal(drawn, same)
    assert again.identity["model"]["network"]["schedule"]["beta_end"] == 0.03
    assert changes.check({"model": again.identity["model"]}, {"model": description}, "a.ckpt") == []  # it can go on


def test_a_model_of_another_prediction_is_refused_by_both_keys(folder, tiny_diffusion):
    with pytest.raises(ConfigError, match=r"model.prediction: Velocity is not what model.network says, as DiffusersU"):
        tiny_diffusion(network=lambda spec: DiffusersUNet(spec, path=str(folder)))
    write(folder / "scheduler" / "scheduler_config.json", {"prediction_type": "sample"})
    tiny_diffusion(network=lambda spec: DiffusersUNet(spec, path=str(folder)), prediction=Clean())


REFUSED = [
    ("unet", {"_class_name": "Transformer2DModel"}, "holds Transformer2DModel; UNet2DModel is read"),
    ("unet", {"in_channels": 3}, "has 3 channels in and 1 out, the data 1; set data.channels=3"),
    ("unet", {"num_class_embeds": 10}, "has num_class_embeds=10; one without classes is read"),
    ("unet", {"time_embedding_type": "fourier"}, "has time_embedding_type=fourier; positional is read"),
    ("unet", {"block_out_channels": [9]}, "diffusers cannot build it .Error.* in loading state"),
    ("scheduler", {"prediction_type": "flow"}, "prediction_type: 'flow' is none of epsilon, sample"),
    ("scheduler", {"beta_schedule": "x"}, "beta_schedule: 'x' is none of linear, scaled_linear"),
    ("scheduler", {"num_train_timesteps": 10**9}, "num_train_timesteps=1000000000, .* are no schedule"),
    ("scheduler", {"trained_betas": [0.1]}, "has trained_betas or rescale_betas_zero_snr, which are not read"),
]


@pytest.mark.parametrize(("part", "values", "message"), REFUSED, ids=[next(iter(each[1])) for each in REFUSED])
def test_a_folder_of_something_else_is_refused(folder, part, values, message):
    name = {"unet": "config.json", "scheduler": "scheduler_config.json"}[part]
    write(folder / part / name, {**(CONFIG if part == "unet" else {}), **values})
    with pytest.raises(ConfigError, match=rf"^model.network.*{message}"):
        DiffusersUNet(SPEC, path=str(folder))


@pytest.mark.parametrize(
    "text", ["[]", '{"a":', "[" * 100_000, '"' + "x" * 2**20], ids=["list", "cut", "deep", "large"]
)
def test_a_hostile_configuration_is_refused(folder, text):
    (folder / "unet" / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"model.network.path: .*config.json cannot be read \("):
        DiffusersUNet(SPEC, path=str(folder))


def test_what_is_not_there_is_said(folder, tmp_path, monkeypatch):
    with pytest.raises(
        ConfigError, match=r"model.network.path: .*gone holds no config.json; name a folder of diffusers"
    ):
        DiffusersUNet(SPEC, path=str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"model.network.path: none is given; set it to a folder"):
        DiffusersUNet(SPEC)
    with pytest.raises(ConfigError, match=r"model.network: DiffusersUNet is made for pictures"):
        DiffusersUNet(Spec("points", VectorContent(2)), path=str(folder))
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"unet holds no diffusion_pytorch_model.safetensors; name a folder"):
        DiffusersUNet(SPEC, path=str(folder))
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(
        ConfigError, match=r"needs the package diffusers, which is not installed; pip install diffusers$"
    ):
        DiffusersUNet(SPEC, config={"in_channels": 1, "out_channels": 1})


@pytest.mark.parametrize("name", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_every_schedule_rises(folder, name):
    network = DiffusersUNet(SPEC, path=str(folder), schedule={"beta_schedule": name, "beta_end": 0.02})
    assert len(network.ratios) == 1000 and (network.ratios.diff() > 0).all()
