"""Checkpoints: written completely or not at all, with a digest inside, read without executing anything.

A checkpoint alone is enough to rebuild its model: beside Lightning's entries it holds ``genloom``, plain dicts with
the model's configuration, the data's spec and configuration, and ``digest``, the sha256 of everything else.
"""

import contextlib
import hashlib
import os
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from genloom.config.instantiate import instantiate
from genloom.errors import CheckpointError, GenloomError, reason
from genloom.models.training.family import Family
from genloom.runs import stranger
from genloom.samplers.base import Sampler
from genloom.samplers.fitting import check
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
        """Read by :func:`read`, whatever ``weights_only`` says.

        Raises:
            CheckpointError: see :func:`read`; or it would have a callback delete files outside the run's directory.
        """
        content = read(path)
        if (place := next(filter(_leads_out, _texts(content.get("callbacks"))), None)) is not None:
            raise CheckpointError(f"{path}: callbacks: {place[:80]!r} is no place within a run; resume another one")
        return content


def _leads_out(text: str) -> bool:
    return ".." in Path(text).parts or "://" in text or "::" in text


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from _texts(name)
            yield from _texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value)


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
        _check_archive(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of files that are refused anyway
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file}: damaged, or holds objects that could execute code; genloom reads plain data only "
            f"({reason(error)})"
        ) from error
    except Exception as error:  # a damaged file makes torch and zipfile raise anything
        raise CheckpointError(f"{file}: damaged or not a checkpoint ({reason(error)}); use an earlier one") from error
    if not isinstance(content, dict) or not isinstance(content.get("genloom"), dict) or "digest" not in content:
        raise CheckpointError(f"{file}: not a checkpoint of genloom: it does not say what it is made of")
    try:
        _check_size(content, file.stat().st_size)
        found = digest({name: value for name, value in content.items() if name != "digest"})
    except Exception as error:  # nested without end, tensors of other kinds
        raise CheckpointError(f"{file}: it holds what no checkpoint of genloom holds ({reason(error)})") from error
    if not isinstance(content["digest"], str) or found != content["digest"]:
        raise CheckpointError(f"{file}: damaged: the content does not match its digest; use an earlier one")
    if not _are_weights(content.get("state_dict")) or type(content.get("global_step")) is not int:
        raise CheckpointError(f"{file}: not a checkpoint of genloom: it holds no weights, or not when they were taken")
    return content


def _check_archive(file: Path) -> None:
    """Refuse an archive that would take more memory than it is large; ours are not packed."""
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > file.stat().st_size:
            raise ValueError("what it unpacks to is larger than the file")


def _check_size(content: Any, num_bytes: int) -> None:
    """Refuse values that say of each other, or of their own size, more than ``num_bytes`` of a file can hold."""
    waiting, seen = [content], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > num_bytes:
            raise ValueError("values that repeat each other without end")
        if isinstance(node, Tensor) and node.numel() * node.element_size() > node.untyped_storage().nbytes():
            raise ValueError(f"a tensor of {tuple(node.shape)} in {node.untyped_storage().nbytes()} bytes")
        if isinstance(node, Mapping):
            waiting += [*node.keys(), *node.values()]
        elif isinstance(node, list | tuple):
            waiting += node


def _are_weights(weights: Any) -> bool:
    return isinstance(weights, dict) and all(
        isinstance(name, str) and isinstance(weight, Tensor) for name, weight in weights.items()
    )


def position(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the epoch of a checkpoint and how many of its batches had been seen.

    ``ready``, not ``completed``: a checkpoint written at a batch's end has that batch not completed yet.

    Raises:
        CheckpointError: it does not say so.
    """
    content = read(path)
    try:
        loop = content["loops"]["fit_loop"]
        epochs, batches = loop["epoch_progress"]["current"], loop["epoch_loop.batch_progress"]["current"]
        between_epochs = epochs["completed"] == epochs["ready"]
        return int(epochs["completed"]), 0 if between_epochs else int(batches["ready"])
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: it does not say how far it was trained ({error!r})") from error


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

    def kind_of(name: Any) -> type:
        if isinstance(name, str) and name and "." not in name:
            raise CheckpointError(
                f"{file}: it is of an older version of genloom, which wrote {name!r} for a class; train the model anew"
            )
        return stranger.part(name, "spec", trust=trust or [], file=file)

    try:
        node, weights = own["model"], content["state_dict"]
        spec, seed = Spec.from_dict(own["spec"], kind_of), int(own["seed"])
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(f"{file}: it does not say what was trained, and on what ({error!r})") from error
    factory = instantiate(
        stranger.checked(node, Family, "model", trust=trust or [], file=file), "model", _partial_=True
    )
    identity = {"data": None, "metrics": None, "sampler": None, "data_fingerprint": None, **own}
    try:
        with _no_larger_than(weights):
            model: Family = factory(spec=spec, optimizer={}, seed=seed, identity=identity)
    except GenloomError:
        raise
    except Exception as error:  # of arguments that nobody checked
        raise CheckpointError(f"{file}: what it describes can't be built ({reason(error)})") from error
    try:
        model.load_state_dict(weights, strict=True)
    except Exception as error:
        raise CheckpointError(
            f"{file}: its weights do not fit the model that it describes ({' '.join(str(error).split())[:500]})"
        ) from error
    if (node := model.identity["sampler"]) is not None:
        node = stranger.checked(node, Sampler, "sampler", trust=trust or [], file=file)
        try:
            with _no_larger_than(weights):
                sampler: Sampler = instantiate(node, "sampler")
            check(sampler, model)
        except GenloomError as error:
            raise CheckpointError(f"{file}: {error}") from error
        model.sampler = sampler
    return model.to(device).eval()


@contextlib.contextmanager
def _no_larger_than(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Refuse, while modules are made, more of them or larger ones than such weights could be of."""
    most_bytes = 2**26 + 4 * sum(weight.numel() * weight.element_size() for weight in weights.values())
    most_parts, taken = 10_000 + 20 * len(weights), [0, 0]

    def count(module: nn.Module, name: str, part: Any) -> None:
        taken[0] += 1
        taken[1] += part.numel() * part.element_size() if isinstance(part, Tensor) else 0
        if taken[0] > most_parts or taken[1] > most_bytes:
            raise ValueError(_TOO_LARGE)

    hooks = [register(count) for register in _REGISTRATIONS]
    try:
        with _SmallTensors(most_bytes):
            yield
    finally:
        for hook in hooks:
            hook.remove()


class _SmallTensors(TorchFunctionMode):
    """Refuses tensors that are too large before there is memory for them."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self.most_bytes = most_bytes

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _CONSTRUCTORS:
            of_size = {name: value for name, value in kwargs.items() if name in ("size", "dtype", "fill_value")}
            made = func(*args, **of_size, device="meta")
            if made.numel() * made.element_size() > self.most_bytes:
                raise ValueError(_TOO_LARGE)
        return func(*args, **kwargs)


_TOO_LARGE = "it is far larger than the weights that it has"
_CONSTRUCTORS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)
_REGISTRATIONS = (
    nn.modules.module.register_module_module_registration_hook,
    nn.modules.module.register_module_parameter_registration_hook,
    nn.modules.module.register_module_buffer_registration_hook,
)


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
