"""A U-Net of the library diffusers says in genloom what it says there, and is trained on and drawn from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).parent / "uv")

pytestmark = pytest.mark.integration

SAVED = """
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

torch.manual_seed(0)
DDPMPipeline(
    UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8, attention_head_dim=8,
    ),
    DDPMScheduler(),
).save_pretrained("ddpm")
"""

COMPARED = """
import torch
from diffusers import DDPMPipeline
from genloom.contents.image import ImageContent
from genloom.diffusion.process import Level
from genloom.networks.denoiser.diffusers import DiffusersUNet
from genloom.spec import Spec

pipeline = DDPMPipeline.from_pretrained("ddpm")
ours = DiffusersUNet(Spec("pictures", ImageContent(1, 8, 8)), path="ddpm").eval()
times = torch.tensor([0, 1, 10, 500, 999])
kept = pipeline.scheduler.alphas_cumprod[times]
noised = torch.randn(5, 1, 8, 8)
with torch.no_grad():
    theirs = pipeline.unet(noised, times).sample
    print(float((ours(noised, Level(kept.sqrt(), (1 - kept).sqrt())) - theirs).abs().max()))
"""


def test_the_network_of_a_pipeline_says_the_same(tmp_path):
    library = tmp_path / "library"
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(library), "diffusers"], check=True
    )
    # behind what is installed here, so that only what is missing is taken of it
    place = f"import sys; sys.path.append({str(library)!r})\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    def python(code: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", place + code, *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    python(SAVED)
    assert float(python(COMPARED)) < 1e-4
    command = "from genloom.cli import main; main()"
    chosen = ["model=diffusion/diffusers", "model.network.path=ddpm", "data=digits", "data.size=8", "trainer=cpu"]
    python(command, "train", *chosen, "trainer.max_steps=2", "metrics=none", "callbacks=none", "run.dir=run")
    (tmp_path / "ddpm").rename(tmp_path / "elsewhere")
    python(command, "sample", "checkpoint=run", "num=2", "sampler.steps=2", "out=drawn")
    assert len(list((tmp_path / "drawn").glob("[0-9].png"))) == 2
