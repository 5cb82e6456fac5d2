"""All examples of a split, for what is solved or fitted rather than trained step by step."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from pytorch_lightning import Trainer

from genloom.batch import Batch, Given
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.spec import Spec


@runtime_checkable
class Measured(Protocol):
    """Data that knows its examples as they are measured: fixed, also where training sees random variations of them."""

    def modelled(self, name: Any) -> Examples:
        """Return a split, ``train``, ``val`` or ``test``."""
        ...


class Passes(Iterable[Batch]):
    """The batches of a split, each example once, as often as this is iterated.

    Of genloom's data they are as they are measured, in the stored order; of a plain loader what it yields.

    Args:
        trainer: whose data it is.
        spec: of the model.
        split: ``train`` or ``val``.
        batch_size: examples at a time; a plain loader has its own.
    """

    def __init__(self, trainer: Trainer, spec: Spec, split: str, batch_size: int = 500) -> None:
        self.trainer = trainer
        self.spec = spec
        self.split = split
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches, on the CPU.

        Raises:
            ConfigError: the trainer was given no examples of that split.
        """
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, Measured):
            yield from self.spec.batches(data.modelled(self.split), self.batch_size)
            return
        if self.split != "train":
            raise ConfigError(
                f"this model needs {self.split} examples, which a plain loader does not give; train it on data of "
                "genloom's, a LightningDataModule with modelled(split)"
            )
        loader = self.trainer.train_dataloader
        for batch in loader if loader is not None else ():
            yield as_batch(batch)


#: What a loader may yield; that a tuple holds tensors is looked at.
Loaded = Any


def as_batch(loaded: Loaded) -> Batch:
    """Return what a loader yields as a batch.

    Args:
        loaded: a batch; or, of a plain loader, content as the model sees it, or a tuple of content and class indices.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(loaded, Batch):
        return loaded
    content, *more = loaded if isinstance(loaded, (tuple, list)) else (loaded,)
    if not isinstance(content, torch.Tensor) or len(more) > 1 or not all(isinstance(x, torch.Tensor) for x in more):
        raise ConfigError(
            f"the loader yields {type(loaded).__name__} of {', '.join(type(x).__name__ for x in (content, *more))}; "
            "give genloom.batch.Batch, a tensor of content, or content and class indices"
        )
    return Batch(content, torch.arange(len(content), device=content.device), Given(label=more[0]) if more else Given())
