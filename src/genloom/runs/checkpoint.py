"""Checkpoints: written completely or not at all, with a digest inside, read without executing anything.

A checkpoint alone is enough to rebuild its model: beside Lightning's entries it holds ``genloom``, plain dicts with
the model's configuration, the data's spec and configuration, and ``digest``, the sha256 of everything else.
"""

import contextlib
import hashlib
import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from genloom.config.instantiate import instantiate
from genloom.errors import CheckpointError
from genloom.families.base import Family
from genloom.runs import stranger
from genloom.spec import Spec


def digest(content: Any) -> str:
    """Return the sha256 of nested dicts, lists, tensors and scalars: of their values, not of a file's bytes."""
    hasher = hashlib.sha256()

    def visit(node: Any) -> None:
        if isinstance(node, Tensor):
            hasher.update(f"tensor {node.dtype} {tuple(node.shape)}".encode())
            hasher.update(node.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(node, Mapping):
            hasher.update(f"dict {len(node)}".encode())
            for name, value in node.items():
                visit(name)
                visit(value)
        elif isinstance(node, list | tuple):
            hasher.update(f"list {len(node)}".encode())
            for value in node:
                visit(value)
        else:
            hasher.update(f"{type(node).__name__} {node!r};".encode())

    visit(content)
    return hasher.hexdigest()


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's way to disk: a temporary file beside the final one, flushed, then renamed."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint`` with its digest to ``path``.

        Raises:
            CheckpointError: the file cannot be written; whatever stood there before still does.
        """
        final = Path(path)
        temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                torch.save({**checkpoint, "digest": digest(checkpoint)}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, final)
        except (OSError, RuntimeError) as error:
            raise CheckpointError(f"{final}: cannot be written ({error}); free some space or set run.root") from error
        finally:
            with contextlib.suppress(OSError):  # nothing can be removed either where a file stands in a folder's place
                temporary.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read by :func:`read`, whatever ``weights_only`` says."""
        return read(path)


def find(path: str | os.PathLike[str]) -> Path:
    """Return the checkpoint file that ``path`` means: itself, or the newest of a run's directory.

    Raises:
        CheckpointError: there is none.
    """
    given = Path(path).expanduser()
    if given.is_file():
        return given
    folder = given / "checkpoints" if (given / "checkpoints").is_dir() else given
    found = sorted(folder.glob("*.ckpt"), key=lambda file: file.stat().st_mtime) if folder.is_dir() else []
    if not found:
        raise CheckpointError(f"{given}: no such checkpoint; name a .ckpt file or a run's directory that holds one")
    return found[-1]


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a checkpoint's content, on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, not genloom's, or holds objects other than plain data.
    """
    file = find(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of files that are refused anyway
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file}: damaged, or holds objects that could execute code; genloom reads plain data only ({error})"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file}: damaged or not a checkpoint ({error}); use an earlier one") from error
    if not isinstance(content, dict) or not isinstance(content.get("genloom"), dict) or "digest" not in content:
        raise CheckpointError(f"{file}: not a checkpoint of genloom: it does not say what it is made of")
    try:
        found = digest({name: value for name, value in content.items() if name != "digest"})
    except (RecursionError, RuntimeError, TypeError) as error:  # nested without end, tensors of other kinds
        raise CheckpointError(f"{file}: it holds what no checkpoint of genloom holds ({error})") from error
    if found != content["digest"]:
        raise CheckpointError(f"{file}: damaged: the content does not match its digest; use an earlier one")
    return content


def position(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the epoch of a checkpoint and how many of its batches had been seen.

    ``ready``, not ``completed``: a checkpoint written at a batch's end has that batch not completed yet.
    """
    loop = read(path)["loops"]["fit_loop"]
    epochs, batches = loop["epoch_progress"]["current"], loop["epoch_loop.batch_progress"]["current"]
    between_epochs = epochs["completed"] == epochs["ready"]
    return epochs["completed"], 0 if between_epochs else batches["ready"]


def load(path: str | os.PathLike[str], *, trust: list[str] | None = None, device: str | torch.device = "cpu") -> Family:
    """Rebuild the model of a checkpoint, strictly, in evaluation mode.

    Args:
        path: a checkpoint file or a run's directory.
        trust: packages of yours whose classes the checkpoint may name.
        device: where the model goes.

    Raises:
        CheckpointError: see :func:`read`; or a class is not trusted, or the weights do not fit the model.
    """
    file = find(path)
    content = read(file)
    own = content["genloom"]
    try:
        node, weights = own["model"], content["state_dict"]
        spec, seed = Spec.from_dict(own["spec"]), int(own["seed"])
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file}: it does not say what was trained, and on what ({error!r})") from error
    factory = instantiate(
        stranger.checked(node, Family, "model", trust=trust or [], file=file), "model", _partial_=True
    )
    try:
        model: Family = factory(spec=spec, optimizer={}, seed=seed)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{file}: what it describes can't be built ({error})") from error
    try:
        model.load_state_dict(weights, strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file}: its weights do not fit the model that it describes ({error})") from error
    model.identity = own
    return model.to(device).eval()


def check_continues(path: str | os.PathLike[str], model: Family, fingerprint: str) -> None:
    """Refuse to continue with another model or other data than a checkpoint's, before anything is loaded of it.

    Args:
        path: the checkpoint.
        model: what is to be trained on.
        fingerprint: of its data.

    Raises:
        CheckpointError: naming what differs.
    """
    content = read(path)
    theirs, ours = content["state_dict"], model.state_dict()
    remedy = "init_from=… in place of resume=… starts from the weights that fit"
    for name in dict.fromkeys((*theirs, *ours)):
        shapes = [tuple(weights[name].shape) if name in weights else "absent" for weights in (theirs, ours)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"resume: {path} is of another model: {name} is {shapes[0]} there and {shapes[1]} here; {remedy}"
            )
    if content["genloom"].get("data_fingerprint") != fingerprint:
        raise CheckpointError(
            f"resume: {path} was trained on other examples than data reads now, whose order would not be that of the "
            f"run; {remedy}"
        )


def start_from(model: Family, path: str | os.PathLike[str]) -> list[str]:
    """Copy into ``model`` the weights of a checkpoint that fit by name and shape; return the names that did not match.

    Raises:
        CheckpointError: nothing matches.
    """
    file = find(path)
    theirs = read(file)["state_dict"]
    ours = model.state_dict()
    fitting = {name: value for name, value in theirs.items() if name in ours and ours[name].shape == value.shape}
    if not fitting:
        raise CheckpointError(f"init_from: no weight of {file} fits this model by name and shape")
    model.load_state_dict({**ours, **fitting}, strict=True)
    return sorted((ours.keys() | theirs.keys()) - fitting.keys())
