"""At which levels of noise a model errs."""

from collections.abc import Callable

import torch

from genloom import figures, randomness
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData, Split
from genloom.examples import Examples
from genloom.inspections.base import PictureLook
from genloom.limits import Count
from genloom.models.abilities import Denoises

_RATIOS = torch.logspace(-2, 2, 17)


class ErrorsByNoise(PictureLook):
    """The mean squared error of clean content by σ/α, of training and of validation examples: where the two part, the
    model has learned examples by heart. Of latent diffusion it is the error of codes.

    It costs seventeen passes over the examples, without gradients.

    Args:
        num: examples of each split, at most.
        every_iterations: how often; None is the end only.
    """

    name = "noise_levels"
    requires = Denoises

    def __init__(self, *, num: Count = 100, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        if num < 1:
            raise ValueError(f"num: {num} is below the limit of 1")
        self.num = num

    def picture(self, model: Denoises, data: Callable[[], InMemoryData]) -> Shown:
        """Measure."""
        found = {}
        splits: dict[str, Split] = {"training": "train", "validation": "val"}
        for called, split in splits.items():
            examples = data().modelled(split)
            chosen = randomness.permutation(len(examples), "noise levels")[: self.num]
            errors = self.errors(model, examples[chosen])
            found[called] = list(zip(_RATIOS.tolist(), errors, strict=True))
        return figures.trends(found, xlabel="noise, σ/α", ylabel="squared error of clean content")

    def errors(self, model: Denoises, examples: Examples) -> list[float]:
        """Return the mean squared errors at each level."""
        rng = randomness.generator(model.seed, self.name)
        sums, num = torch.zeros(len(_RATIOS), dtype=torch.float64), 0
        for batch in model.spec.batches(examples, 250):
            batch = batch.to(model.device)
            codes = model.codes(batch)
            noise = torch.randn(codes.shape, generator=rng).to(codes)
            for place, ratio in enumerate(_RATIOS):
                level = model.process.level_of(ratio.view(1)).like(codes)
                clean = model.denoise(level.noised(codes, noise), level, batch.given).clean
                sums[place] += (clean - codes).square().flatten(1).mean(1).sum().item()
            num += len(codes)
        return (sums / num).tolist()
