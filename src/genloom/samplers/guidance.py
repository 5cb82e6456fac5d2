"""What a model is guided away from: itself, when it is told nothing, or a worse model of the same content.

Both are pairs: of noised content, its level and where it goes, what the model says, and what the other says. How far to
go from the one beyond the other is the sampler's to say.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from genloom.batch import Given
from genloom.diffusion.process import Denoised, Level, Process
from genloom.errors import CapabilityError, CheckpointError, ConfigError
from genloom.models.abilities import Denoises, checked

Pair = Callable[[Tensor, Level, Level | None], tuple[Denoised, Denoised]]


def from_nothing(model: Denoises, given: Given, guidance: float) -> Pair:
    """Return a model beside itself without what it is told: classifier-free guidance.

    Ho and Salimans, Classifier-Free Diffusion Guidance, 2022, https://arxiv.org/abs/2207.12598.

    Args:
        model: is guided.
        given: what it is told.
        guidance: for the message.

    Raises:
        CapabilityError: it was not trained without what it is told.
    """
    told = [name for name in model.conditions if name in model.drop_given]
    if not told:
        name = next(iter(model.conditions), None)
        remedy = f"train it with model.drop_given.{name}=0.1, " if name else ""
        untold = "" if name else ", and this one is told nothing"
        raise CapabilityError(
            f"sampler.guidance: {guidance} needs a model that was also trained without what it is told{untold}; "
            f"{remedy}set sampler.guide to the checkpoint of a worse model of the same data, or sampler.guidance=1"
        )

    def pair(noised: Tensor, level: Level, until: Level | None) -> tuple[Denoised, Denoised]:
        num = len(noised)
        nothing: Bool[Tensor, " batch"] = torch.arange(2 * num, device=noised.device) >= num
        both = given.map(lambda values: torch.cat([values, values]))
        dropped = {name: both.dropped.get(name, torch.zeros_like(nothing)) | nothing for name in told}
        both.dropped.update(dropped)
        clean, noise = model.denoise(torch.cat([noised, noised]), level, both, until)
        return Denoised(clean[:num], noise[:num]), Denoised(clean[num:], noise[num:])

    return pair


def from_guide(model: Denoises, given: Given, path: str) -> Pair:
    """Return a model beside a guide, a smaller or younger one of the same content: autoguidance.

    Karras et al., Guiding a Diffusion Model with a Bad Version of Itself, 2024, https://arxiv.org/abs/2406.02507. The
    guide may have another process and another prediction. It is told what the model is told, as far as it knows it.

    Args:
        model: is guided.
        given: what it is told.
        path: the guide's checkpoint.

    Raises:
        CheckpointError: it cannot be used.
        CapabilityError: the guide does not denoise.
        ConfigError: it is of other content or other codes, or is told what the model is not.
    """
    try:
        guide = _loaded(*_at(path), str(model.device))
    except CheckpointError as error:
        raise CheckpointError(f"sampler.guide: {error}") from error
    if guide.spec.content != model.spec.content:
        raise ConfigError(
            f"sampler.guide: {path} is of {guide.spec.content.called} of {guide.spec.content.shape} of "
            f"{guide.spec.name}, the model of {model.spec.content.called} of {model.spec.content.shape} of "
            f"{model.spec.name}; name a checkpoint of the same data"
        )
    if unknown := [name for name in guide.conditions if name not in model.conditions]:
        raise ConfigError(
            f"sampler.guide: {path} is told the {unknown[0]}, and the model is told "
            f"{', '.join(model.conditions) or 'nothing'}; name a guide that is told no more"
        )
    if not _have_one_code(model, guide, given):
        raise ConfigError(
            f"sampler.guide: {path} does not noise what the model does; name a guide of the same model.first_stage"
        )

    def pair(noised: Tensor, level: Level, until: Level | None) -> tuple[Denoised, Denoised]:
        own = model.denoise(noised, level, given, until)
        if guide.process == model.process:
            return own, guide.denoise(noised, level, given, until)
        return own, denoised_by(guide, noised, level, given)

    return pair


def denoised_by(other: Denoises, noised: Tensor, level: Level, given: Given) -> Denoised:
    """Return what a model says of content that was noised by another process.

    Where that went on to more noise than this model knows, it says what it does of the most that it knows.
    """
    ratio = torch.minimum(level.ratio, _last(other.process).to(level.ratio))
    own = other.process.level_of(ratio)
    return other.denoise(own.sigma / level.sigma * noised, own, given)


def _have_one_code(model: Denoises, guide: Denoises, given: Given) -> bool:
    if model.code_shape != guide.code_shape:
        return False
    content = torch.zeros(1, *model.spec.content.shape, device=model.device)
    example = model.generated(content, given.map(lambda values: values[:1]))
    return torch.allclose(model.codes(example), guide.codes(example))


def fingerprint(path: str) -> str:
    """Return by what a protocol knows a guide: its digest, or its path where it cannot be read."""
    try:
        return _digest(*_at(path))
    except CheckpointError:
        return path


def _last(process: Process) -> Tensor:
    return process.level(torch.ones((), dtype=torch.float64)).ratio


def _at(path: str) -> tuple[Path, int]:
    """Return the file that a path means, and when it was written."""
    file = _reading().find(path).resolve()
    return file, file.stat().st_mtime_ns


@functools.lru_cache(maxsize=2)
def _loaded(file: Path, _written: int, device: str) -> Denoises:
    return checked(f"sampler.guide: {file}", Denoises, _reading().load(file, device=device))


@functools.lru_cache(maxsize=8)
def _digest(file: Path, _written: int) -> str:
    return _reading().read(file)["digest"][:16]


def _reading() -> Any:
    """Return what reads checkpoints; imported when it is needed, since it gives models their samplers, this one too."""
    from genloom.runs import loading

    return loading
