"""Training the classifier that a feature extractor is made of: AdamW on shifted and mirrored images."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from genloom import randomness
from genloom.data.images.base import Images, resize
from genloom.errors import ConfigError, TrainingError
from genloom.extractors.card import Card
from genloom.extractors.cnn import StridedCNN
from genloom.extractors.features import trace_scale
from genloom.extractors.trained import network
from genloom.limits import Count, NonNegative, Whole
from genloom.progress import bar
from genloom.schedules import linear


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Args:
        epochs: passes through the training split.
        batch_size: images of one update.
        lr: of AdamW; rises for an epoch, then falls linearly to zero.
        weight_decay: of AdamW.
        shift: training images are moved by at most this share of their size.
        flip: whether half of them are mirrored.
        seed: of initial weights, order and augmentation.
    """

    epochs: int
    batch_size: Count
    lr: float
    weight_decay: float
    shift: NonNegative
    flip: bool
    seed: Whole

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ConfigError(f"lr: {self.lr} must be above 0")
        if not 0 <= self.shift < 0.5:
            raise ConfigError(f"shift: {self.shift} must be at least 0 and below 0.5")


def train(
    card: Card, images: Images, recipe: Recipe, *, device: torch.device | str = "cpu", progress_bar: bool = False
) -> StridedCNN:
    """Return the network after the last update. Changes the global random state.

    Raises:
        TrainingError: the loss is no longer finite.
    """
    assert images.labels is not None
    randomness.seed_globally(recipe.seed, "extractor")
    model = network(card).to(device)
    num_batches = -(-len(images) // recipe.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    total = recipe.epochs * num_batches
    schedule = linear(optimizer, total_iterations=total, warmup_iterations=num_batches if recipe.epochs > 1 else 0)
    same = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)  # the same file each time
    with bar(recipe.epochs * len(images), "training", "images", shown=progress_bar, unit_scale=True) as progress, same:
        for epoch in range(recipe.epochs):
            rng = randomness.generator(recipe.seed, "extractor", "augmentation", epoch)
            order = randomness.permutation(len(images), recipe.seed, "extractor", epoch)
            losses = torch.zeros((), device=device)
            for batch in order.tensor_split(num_batches):
                content, labels = images.content_at(batch).to(device), images.labels[batch].to(device)
                _, logits = model(augmented(resize(content, card.size), rng, shift=recipe.shift, flip=recipe.flip))
                loss = F.cross_entropy(logits, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                losses += loss.detach()
                progress.update(len(batch))
            mean = losses.item() / num_batches
            if not mean < float("inf"):
                raise TrainingError(f"the loss is {mean} in epoch {epoch}; lower lr={recipe.lr}")
            progress.set_postfix(epoch=epoch + 1, loss=f"{mean:.3f}", refresh=False)
    return model.eval().requires_grad_(False)


def augmented(
    images: UInt8[Tensor, "num channels height width"], rng: torch.Generator, *, shift: float, flip: bool
) -> Shaped[Tensor, "num channels height width"]:
    """Move each image by up to ``shift`` of its size, its border mirrored, and mirror half of them if ``flip``."""
    num, _, height, width = images.shape
    up, left = int(shift * height), int(shift * width)
    rows = torch.randint(0, 2 * up + 1, (num, 1), generator=rng) + torch.arange(height)
    columns = torch.randint(0, 2 * left + 1, (num, 1), generator=rng) + torch.arange(width)
    if flip:
        columns = torch.where(torch.rand(num, 1, generator=rng) < 0.5, columns.flip(1), columns)
    padded = F.pad(images.float(), (left, left, up, up), mode="reflect").permute(0, 2, 3, 1)
    chosen = torch.arange(num)[:, None, None], rows[:, :, None], columns[:, None, :]
    return padded[tuple(index.to(images.device) for index in chosen)].permute(0, 3, 1, 2).contiguous()


def scale(trained: StridedCNN, images: UInt8[Tensor, "num channels height width"], size: int) -> float:
    """Return the factor that makes the trace of the covariance of the features of ``images`` their number.

    Raises:
        TrainingError: all features are the same.
    """
    where = trained.scale.device
    vectors: Float[Tensor, "num features"] = torch.cat(
        [trained(resize(chunk, size).to(where))[0] for chunk in images.split(500)]
    )
    if not vectors.var(dim=0).sum() > 0:
        raise TrainingError("all images have the same features; lower lr, or give more epochs")
    return trace_scale(vectors)
