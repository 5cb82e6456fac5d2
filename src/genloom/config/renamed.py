"""What keys of before are called now."""

_NOW = {
    "model.sampler": "what is fitted to the latents is a density: latent_density@model.latent_density=…",
    "classes": "what samples are given has a name: given.label=[…], or given.code=[…] of a learned code",
    "prompt": "what samples are given has a name: given.prompt=…",
    "truncation": "how to draw is a sampler: sampler=truncated sampler.psi=…",
    "num_paths": "how to draw is a sampler: sampler.num_paths=…",
    "levels": "how to draw is a sampler: sampler.levels=[…]",
}


def renamed(key: str) -> str | None:
    """Return what a key of before is called now, and what it is; None for any other."""
    return _NOW.get(key)
