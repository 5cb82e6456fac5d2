"""Descriptions of small models, as checkpoints hold them."""

from typing import Any


def diffusion(process: str = "RectifiedFlow", prediction: str = "Velocity", width: int = 16) -> dict[str, Any]:
    """Return that of the diffusion model that ``tiny_diffusion`` builds."""
    network = {"_target_": "genloom.networks.denoiser.dense.DenseDenoiser", "_partial_": True}
    return {
        "_target_": "genloom.models.diffusion.Diffusion",
        "network": {**network, "width": width, "blocks": 1},
        "process": {"_target_": f"genloom.diffusion.process.{process}"},
        "prediction": {"_target_": f"genloom.diffusion.prediction.{prediction}"},
        "objective": {"_target_": "genloom.objectives.denoising.Denoising"},
    }
