"""Images per second of diffusers, trained by its own loop or drawn by its pipeline; runs where diffusers is installed.

DIFFUSERS_ENV/bin/python scripts/bench/diffusers_loop.py train ITERATIONS BATCH_SIZE SEED IMAGES.npy
DIFFUSERS_ENV/bin/python scripts/bench/diffusers_loop.py sample STEPS BATCH_SIZE SEED
DIFFUSERS_ENV/bin/python scripts/bench/diffusers_loop.py genloom STEPS BATCH_SIZE SEED     # which draws of it

Training is that of its example train_unconditional.py: a data loader, accelerate, AdamW, clipped gradients, a cosine
schedule. The network has the widths, the blocks and the attention of genloom's.
"""

import sys
import time

# pyright: reportMissingImports=false
import numpy as np
import torch
from accelerate import Accelerator
from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from torch import nn

WARMUP_ITERATIONS = 3


def network() -> UNet2DModel:
    """Return the U-Net of the widths of bare_diffusion.py."""
    return UNet2DModel(
        sample_size=32,
        in_channels=1,
        out_channels=1,
        block_out_channels=(32, 64, 96),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=64,
    )


def train(iterations: int, batch_size: int, seed: int, file: str) -> float:
    """Return images per second after the warm-up."""
    torch.manual_seed(seed)
    images = torch.from_numpy(np.load(file)).float() / 127.5 - 1
    accelerator = Accelerator(cpu=True)
    model, schedule = network(), DDPMScheduler(num_train_timesteps=1000)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, fused=True)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images), batch_size=batch_size, shuffle=True, drop_last=True
    )
    rates = get_scheduler("cosine", optimizer, num_warmup_steps=500, num_training_steps=10_000)
    model, optimizer, loader, rates = accelerator.prepare(model, optimizer, loader, rates)
    start, step = 0.0, 0
    while True:
        for (content,) in loader:
            if step == WARMUP_ITERATIONS:
                start = time.perf_counter()
            noise = torch.randn_like(content)
            times = torch.randint(0, 1000, (len(content),))
            noised = schedule.add_noise(content, noise, times)
            with accelerator.accumulate(model):
                loss = nn.functional.mse_loss(model(noised, times, return_dict=False)[0], noise)
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                rates.step()
                optimizer.zero_grad()
            step += 1
            if step == WARMUP_ITERATIONS + iterations:
                return iterations * batch_size / (time.perf_counter() - start)


def sample(steps: int, batch_size: int, seed: int) -> float:
    """Return images per second of DDIM, after a warm-up."""
    torch.manual_seed(seed)
    pipeline = DDIMPipeline(network().eval(), DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    pipeline(batch_size=batch_size, num_inference_steps=2, output_type="np")
    start = time.perf_counter()
    pipeline(batch_size=batch_size, num_inference_steps=steps, output_type="np")
    return batch_size / (time.perf_counter() - start)


def genloom(steps: int, batch_size: int, seed: int) -> float:
    """Return images per second of genloom's DDIM by the same network, after a warm-up, up to 8-bit pixels."""
    from genloom.contents.image import ImageContent
    from genloom.diffusion.prediction import Noise
    from genloom.diffusion.process import Linear
    from genloom.models.diffusion import Diffusion
    from genloom.networks.denoiser.diffusers import DiffusersUNet
    from genloom.objectives.denoising import Denoising
    from genloom.samplers.ddim import Ddim
    from genloom.samplers.times import Trailing
    from genloom.spec import Spec

    torch.manual_seed(seed)
    model = Diffusion(
        Spec("bench", ImageContent(channels=1, height=32, width=32)),
        network=lambda spec: DiffusersUNet(spec, config=network().config),
        process=Linear(),
        prediction=Noise(),
        objective=Denoising(),
        optimizer={},
    ).eval()

    def draw(steps: int) -> None:
        batch = Ddim(steps=steps, times=Trailing()).draw(model, batch_size, rng=torch.Generator().manual_seed(seed))
        model.spec.content.decode(batch.content)

    draw(2)
    start = time.perf_counter()
    draw(steps)
    return batch_size / (time.perf_counter() - start)


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    size = [int(each) for each in arguments[:3]]
    if task == "train":
        print(f"images/s {train(size[0], size[1], size[2], arguments[3])}")
    else:
        print(f"images/s {(genloom if task == 'genloom' else sample)(size[0], size[1], size[2])}")
