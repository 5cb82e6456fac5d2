"""What the distances of an extractor mean: accuracy, floor and ladder on its own data, by the judge's protocol."""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from genloom import randomness
from genloom.data.base import InMemoryData, Split
from genloom.data.images.base import Images, resize
from genloom.examples import Examples
from genloom.extractors.card import Card
from genloom.extractors.cnn import StridedCNN
from genloom.extractors.damage import rungs, unseen
from genloom.extractors.trained import TrainedExtractor, save
from genloom.intervals import half_width
from genloom.judging.evidence import Evidence, View
from genloom.judging.judge import selection
from genloom.judging.metric import Comparison
from genloom.metrics.frechet import FrechetDistance
from genloom.metrics.kernel import KernelDistance


def calibrate(
    trained: StridedCNN, card: Card, data: InMemoryData, num_samples: int, *, device: torch.device | str = "cpu"
) -> Card:
    """Return the card with accuracy, floor, ladder and warnings, measured through a file as a user would.

    Pictures larger than the network's input are damaged at its size, which bounds the memory. Changes the global
    random state.

    Args:
        trained: the network.
        card: what is known of it so far.
        data: whose splits are looked at.
        num_samples: images on each side, at most.
        device: where the network runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "draft.safetensors", trained, card)
        extractor = TrainedExtractor(Path(folder) / "draft.safetensors")

    def view(images: Examples) -> View:
        return View(images, extractor, device=device)

    def right(split: Split) -> float:
        seen = view(data.split(split))
        return (seen.features.logits.argmax(1) == seen.labels).double().mean().item()

    reference, heldout = (_shrunk(data, split, num_samples, card.size) for split in ("train", "test"))
    seen = view(reference)
    evidence = Evidence(data.describe().content, {}, {})
    randomness.seed_globally("ladder")  # PCA draws from the global generator
    ladder: dict[str, dict[str, float]] = {}
    for rung, pictures in rungs(reference, heldout).items():
        if len(pictures) < Comparison.min_images:  # of two classes, one dropped may leave too few
            continue
        damaged = view(Images(pictures))
        fd = FrechetDistance().compare(seen, damaged, evidence)["fd"]
        kd = KernelDistance().compare(seen, damaged, evidence)["kd"]
        assert fd.interval is not None and kd.interval is not None
        ladder[rung] = {
            "fd": fd.value,
            "fd_half_width": half_width(fd.interval),
            "kd": kd.value,
            "kd_half_width": half_width(kd.interval),
            "num": len(pictures),
        }
    sizes = {"n_reference": len(reference), "n_heldout": len(heldout)}
    floor = {name: ladder["real"][name] for name in ("fd", "kd")} | sizes
    labels = data.split("test").labels
    assert labels is not None
    chance = labels.bincount().max().item() / len(labels)
    accuracy = {"train": right("train"), "val": right("val"), "test": right("test"), "chance": chance}
    warnings = [*card.warnings]
    margin = max(0.1 * (1 - chance), 3 * (chance * (1 - chance) / len(labels)) ** 0.5)
    if accuracy["test"] < chance + margin:
        warnings.append(
            f"its accuracy, {accuracy['test']:.1%}, is barely above the {chance:.1%} of chance: its features cannot be "
            "trusted; give more images or epochs"
        )
    if blind := unseen({rung: found["fd"] for rung, found in ladder.items()}):
        warnings.append(
            f"its distance does not rise with the damage of {', '.join(blind)}: it does not see such damage in a model "
            "either; give more images, epochs or another size"
        )
    return replace(card, accuracy=accuracy, floor=floor, ladder=ladder, warnings=tuple(warnings))


def _shrunk(data: InMemoryData, split: Split, num: int, size: int) -> Images:
    images = selection(data, split, num)
    return Images(resize(images.content, size if max(images.content.shape[2:]) > size else None), images.given)
