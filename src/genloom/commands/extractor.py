"""``genloom extractor``: a feature extractor for labelled images of one's own, trained and calibrated.

A classifier is trained on the training split, without a look at any other. Calibrating it tells what its distances
mean: the floor (real test images), and the ladder (test images with damage of known kinds), by the judge's protocol.
"""

import os
import time
from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig

from genloom import __version__, randomness
from genloom.commands.assembly import load_data
from genloom.contents.base import why_not
from genloom.contents.image import ImageContent
from genloom.data.base import InMemoryData, Split
from genloom.data.images.base import Images
from genloom.devices import device
from genloom.errors import ConfigError, DataError
from genloom.extractors.card import MOST_PIXELS, NAME, Card
from genloom.extractors.trained import TrainedExtractor, save
from genloom.extractors.training import Recipe, scale, train
from genloom.extractors.weights_file import file_sha256
from genloom.judging.judge import selection
from genloom.judging.metric import Comparison
from genloom.metrics.calibration import calibrate
from genloom.runs.directory import write_json, write_text

MAX_SIZE = 64  # pixels that an extractor looks at, unless told otherwise
FEW_PER_CLASS = 10  # training images


def run(config: DictConfig) -> None:
    """Train, calibrate, write NAME.safetensors, card.json and card.md, and print a table.

    Raises:
        GenloomError: the configuration or the data cannot be used, or the loss is no longer finite.
    """
    if not NAME.fullmatch(config.name):
        raise ConfigError(
            f"name: {config.name[:100]!r} ends the names of numbers; use at most 100 letters, digits, _ and -"
        )
    recipe = Recipe(**{name: config[name] for name in Recipe.__dataclass_fields__})
    where = device(config.device)
    data = load_data(config.data)
    card = _draft(data, config, recipe)
    path = _place(config)
    print(f"{data.name}: {len(data.split('train'))} images of {data.describe().content.shape}")
    start = time.perf_counter()
    with randomness.untouched():
        trained = train(card, _images(data, "train"), recipe, device=where, progress_bar=config.progress_bar)
        seconds = time.perf_counter() - start
        parameters = sum(parameter.numel() for parameter in trained.parameters())
        print(f"{parameters:,} parameters, trained in {seconds:.0f} s; calibrating …", flush=True)
        trained.scale.fill_(scale(trained, selection(data, "train", config.num_samples).content, card.size))
        card = calibrate(trained, card, data, config.num_samples, device=where)
    save(path, trained, card)
    sha256 = file_sha256(path)
    about = {**asdict(card), "sha256": sha256, "parameters": parameters, "training_seconds": round(seconds, 1)}
    write_json(path.with_name("card.json"), about)
    write_text(path.with_name("card.md"), card.markdown(sha256))
    _conclude(card, path)


def _place(config: DictConfig) -> Path:
    folder = Path(config.out or Path("extractors") / config.name).expanduser()
    path = folder / f"{config.name}.safetensors"
    if path.exists():
        raise ConfigError(f"out: {path} exists, and numbers may have been taken with it; choose another out or name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out: {folder} cannot be written ({error.strerror}); set out") from error
    return path


def _images(data: InMemoryData, split: Split) -> Images:
    images = data.split(split)
    assert isinstance(images, Images)  # _draft() has seen to it
    return images


def _draft(data: InMemoryData, config: DictConfig, recipe: Recipe) -> Card:
    """Return the card of an extractor that is still to be trained.

    Raises:
        DataError: the data has no pictures, no classes, only one class, or too few images.
        ConfigError: the network cannot be built.
    """
    spec = data.describe()
    if reason := why_not(TrainedExtractor, spec.content, data=data.name):
        raise DataError(f"data: an extractor is {reason}; choose a data set of pictures, as in data=image_folder")
    content = ImageContent.of(spec.content)
    labels = data.split("train").labels
    if not data.classes or labels is None:
        raise DataError(
            f"data: {data.name} is unlabelled, and an extractor learns from classes; put the images into one folder "
            "per class below data.root, or choose labelled data"
        )
    counts = dict(zip(data.classes, labels.bincount(minlength=len(data.classes)).tolist(), strict=True))
    if sum(count > 0 for count in counts.values()) < 2:
        raise DataError(f"data: {data.name} trains one class only; an extractor needs two or more to tell apart")
    splits: tuple[Split, ...] = ("train", "val", "test")
    numbers = {split: len(data.split(split)) for split in splits}
    for split in ("train", "test"):
        if numbers[split] < Comparison.min_images:
            raise DataError(
                f"data: the {split} split of {data.name} holds {numbers[split]} images, below the "
                f"{Comparison.min_images} that the calibration needs; add images"
            )
    size = config.size or min(MAX_SIZE, round((content.height + content.width) / 2))
    if size < 4:
        raise ConfigError(f"size: {size} is below the limit of 4 pixels")
    if size > MOST_PIXELS:
        raise ConfigError(f"size: {size} is above the limit of {MOST_PIXELS} pixels")
    if not config.widths or min(config.widths) < 1:
        raise ConfigError(f"widths: {list(config.widths)} must be one number or more, each at least 1")
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW_PER_CLASS]
    warnings = [f"fewer than {FEW_PER_CLASS} training images of {', '.join(few)}"] if few else []
    return Card(
        name=config.name,
        classes=data.classes,
        channels=content.channels,
        size=size,
        widths=tuple(config.widths),
        num_features=config.num_features,
        data={"name": data.name, "fingerprint": data.fingerprint, "images": numbers},
        training=asdict(recipe),
        accuracy={},
        floor={},
        ladder={},
        warnings=tuple(warnings),
        genloom=__version__,
    )


def _conclude(card: Card, path: Path) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    console.print(card.table())
    relative = Path(os.path.relpath(path))
    print(f"extractor: {relative}\ncard:      {relative.with_name('card.md')}")
    print(f"use it:    genloom train data=… metrics.extractor={relative}")
