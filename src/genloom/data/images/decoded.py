"""Images that are decoded from files of a user's own: into memory, or once into a file that is mapped into memory."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from genloom.contents.image import ImageContent
from genloom.data.base import Split
from genloom.data.images.base import ImageData, Images
from genloom.data.images.pictures import Decoded, Pictures, in_memory
from genloom.data.images.store import Store
from genloom.errors import ConfigError, DataError
from genloom.limits import Count, Ge, PartialShare, Whole
from genloom.spec import Spec

OnBad = Literal["error", "skip"]
Storage = Literal["memory", "disk"]

_MIN_IMAGES = 2 * len(get_args(Split))

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Read:
    """What was read.

    Args:
        images: all, ordered by split, without what they are given.
        usable: positions of ``images`` among the pictures.
        bounds: where each split lies among ``images``.
        skipped: what was left out, each with the reason.
    """

    images: Images
    usable: list[int]
    bounds: Mapping[Split, slice]
    skipped: list[tuple[Path, str]]


class DecodedImages(ImageData):
    """Images of any sizes, grey or in colour, as files hold them.

    Args:
        size: pixels; the shorter side is scaled to it (Lanczos, antialiased), then the centre is cut out. None keeps
            the stored size, which all images must share.
        channels: 1 or 3 converts every image, transparent ones over white. None takes grey and RGB files as they are:
            one channel if all are grey, else three.
        on_bad: what to do with images that cannot be used: ``error``, or ``skip`` to leave them out and list them in
            :attr:`skipped`.
        val_fraction: expected share of the validation split; of the training examples where they stand by themselves.
        test_fraction: expected share of the test split; of no use where the data has one.
        storage: ``memory``; or ``disk``, for data larger than that: all is decoded once, into a file that later runs
            find again, and only the examples of a batch are in memory.
        cache_dir: holds that file; None is ``GENLOOM_CACHE``, or else the user's cache folder.
        decoders: processes that decode; 0 decodes in threads; None is a process per CPU where there is much to decode.
        **image_data: see :class:`~genloom.data.images.base.ImageData`.

    Raises:
        ConfigError: for an impossible argument.
        DataError: on reading, naming the images that cannot be used.
    """

    def __init__(
        self,
        *,
        size: Annotated[int, Ge(4)] | None = None,
        channels: Count | None = None,
        on_bad: OnBad = "error",
        val_fraction: PartialShare = 0.1,
        test_fraction: PartialShare = 0.1,
        storage: Storage = "memory",
        cache_dir: str | os.PathLike[str] | None = None,
        decoders: Whole | None = None,
        **image_data: Any,
    ) -> None:
        super().__init__(size=size, **image_data)
        if channels not in (None, 1, 3):
            raise ConfigError(f"data.channels: {channels} is none of null, 1, 3")
        for name, value, choices in (("on_bad", on_bad, OnBad), ("storage", storage, Storage)):
            if value not in get_args(choices):
                raise ConfigError(f"data.{name}: {value!r} is none of {', '.join(get_args(choices))}")
        if not (val_fraction > 0 and test_fraction > 0 and val_fraction + test_fraction < 1):
            raise ConfigError(
                f"data.val_fraction, data.test_fraction: {val_fraction}, {test_fraction} must be above 0 "
                "and their sum below 1"
            )
        self.channels = channels
        self.on_bad = on_bad
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.storage = storage
        self.cache_dir = cache_dir
        self.decoders = decoders

    def follow(self, spec: Spec) -> None:
        """Take the size and the channels of a model of pictures."""
        super().follow(spec)
        self.channels = ImageContent.of(spec.content).channels

    def _read(
        self, pictures: Pictures, splits: Sequence[Split], bad: list[tuple[Path, str]], made_of: Mapping[str, Any]
    ) -> Read:
        """Decode pictures, or find them decoded.

        Args:
            pictures: ordered by split.
            splits: of each.
            bad: what could not be listed among them, each with the reason.
            made_of: what decides which pictures there are and in which order, but for their files; plain values.

        Raises:
            DataError: some cannot be used, and are not to be skipped; or too few are left.
        """
        decoded = self._decoded(pictures, made_of)
        bad = bad + [(pictures.path(position), why) for position, why in decoded.bad]
        if bad and self.on_bad == "error":
            listing = "".join(f"\n  {line}" for line in self._listing(pictures, bad))
            raise DataError(
                f"{len(bad)} of the images in {pictures.where} cannot be used:{listing}\n"
                "Repair or remove them, or set data.on_bad=skip to leave them out."
            )
        usable = decoded.usable
        bounds = self._bounds(pictures, [splits[position] for position in usable], bad)
        if bad:
            _log.warning(
                f"left out {len(bad)} of the images in {pictures.where}: {'; '.join(self._listing(pictures, bad))}. "
                "All are listed in skipped.txt of the run's directory."
            )
        return Read(decoded.images, usable, bounds, bad)

    def _decoded(self, pictures: Pictures, made_of: Mapping[str, Any]) -> Decoded:
        if self.storage == "memory":
            return in_memory(pictures)
        shares = {"val_fraction": self.val_fraction, "test_fraction": self.test_fraction}
        what = {"size": self.size, "channels": self.channels, **shares, **made_of}
        return Store(what, self.name, self.cache_dir).decoded(pictures)

    def _bounds(self, pictures: Pictures, splits: Sequence[Split], bad: list[tuple[Path, str]]) -> dict[Split, slice]:
        """Return where each split lies among the usable pictures, whose splits are in order."""
        left_out = f" ({len(bad)} left out, e.g. {self._listing(pictures, bad)[0]})" if bad else ""
        if len(splits) < _MIN_IMAGES:
            raise DataError(
                f"{pictures.where} holds {len(splits)} usable images{left_out}; at least {_MIN_IMAGES} are needed, "
                f"two each for training, validation and test; {pictures.remedy}"
            )
        bounds: dict[Split, slice] = {}
        start = 0
        for split in get_args(Split):
            num = splits.count(split)
            if num < 2:
                remedy = "lower the other fractions" if split == "train" else f"raise data.{split}_fraction"
                raise DataError(
                    f"{pictures.where} holds {len(splits)} usable images{left_out}, of which {num} fall into the "
                    f"{split} split; at least 2 are needed; add images or {remedy}"
                )
            bounds[split] = slice(start, start + num)
            start += num
        return bounds

    def _listing(self, pictures: Pictures, bad: list[tuple[Path, str]]) -> list[str]:
        """Name the first three."""
        few = [f"{pictures.called(path)}: {reason}" for path, reason in bad[:3]]
        return [*few, f"and {len(bad) - 3} more"] if len(bad) > 3 else few
