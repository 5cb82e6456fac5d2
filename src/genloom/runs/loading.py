"""From a checkpoint to a model: rebuilt strictly, or continued, or begun from.

What a checkpoint describes is checked by :mod:`genloom.runs.stranger` before anything is built, and may be no larger
than its weights.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from genloom.config.instantiate import instantiate
from genloom.errors import CheckpointError, GenloomError, reason
from genloom.models.training.family import Family
from genloom.runs import stranger
from genloom.runs.checkpoint import find, read
from genloom.samplers.base import Sampler
from genloom.samplers.fitting import give
from genloom.spec import Spec


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
    weights: Any = content.get("state_dict")
    model = _built(content["genloom"], weights, file, trust or [])
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
                sampler = instantiate(node, "sampler")
            give(model, sampler)
        except GenloomError as error:
            raise CheckpointError(f"{file}: {error}") from error
    return model.to(device).eval()


def carried_by(config: Mapping[str, Any], trust: list[str]) -> dict[str, Family]:
    """Return the models that the model of a configuration shall carry, by its arguments that name their checkpoints.

    Args:
        config: the model's.
        trust: packages of yours whose classes the checkpoints may name.

    Raises:
        CheckpointError: see :func:`load`.
    """
    named = {name: config.get(name) for name in getattr(get_class(config["_target_"]), "carries", ())}
    try:
        return {name: load(path, trust=trust) for name, path in named.items() if path is not None}
    except CheckpointError as error:
        raise CheckpointError(f"model.{'/'.join(named)}: {error}") from error


def _built(own: Mapping[str, Any], weights: Any, file: Path, trust: list[str]) -> Family:
    """Return the model that a checkpoint describes, and those that it carries, without their weights."""

    def kind_of(name: Any) -> type:
        if isinstance(name, str) and name and "." not in name:
            raise CheckpointError(
                f"{file}: it is of an older version of genloom, which wrote {name!r} for a class; train the model anew"
            )
        return stranger.part(name, "spec", trust=trust, file=file)

    try:
        node, carried = own["model"], {str(name): dict(each) for name, each in own.get("carried", {}).items()}
        spec, seed, _ = Spec.from_dict(own["spec"], kind_of), int(own["seed"]), weights.values()
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(f"{file}: it does not say what was trained, and on what ({error!r})") from error
    node = stranger.checked(node, Family, "model", trust=trust, file=file)
    inner = {name: _built(each, weights, file, trust) for name, each in carried.items()}
    identity = {"data": None, "metrics": None, "sampler": None, "data_fingerprint": None, **own}
    factory = instantiate(node, "model", _partial_=True)
    try:
        with _no_larger_than(weights):
            return factory(spec=spec, optimizer={}, seed=seed, identity=identity, **inner)
    except GenloomError:
        raise
    except Exception as error:  # of arguments that nobody checked
        raise CheckpointError(f"{file}: what it describes can't be built ({reason(error)})") from error


@contextlib.contextmanager
def _no_larger_than(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Refuse, while modules are made, more of them or larger ones than such weights could be of."""
    most_bytes = 2**26 + 4 * sum(weight.numel() * weight.element_size() for weight in weights.values())
    most_parts, taken = 1000 + 20 * len(weights), [0, 0]

    def count(module: nn.Module, name: str, part: Any) -> None:
        taken[0] += 1
        taken[1] += part.nbytes if isinstance(part, Tensor) else 0
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
    """Refuses tensors that are too large before there is memory for them, whatever makes them."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self.most_bytes = most_bytes

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _num_bytes(func, args, kwargs) > self.most_bytes:
            raise ValueError(_TOO_LARGE)
        return func(*args, **kwargs)


def _num_bytes(func: Any, args: Any, kwargs: Mapping[str, Any]) -> int:
    """Return the size of what a function of torch would make, by tensors that have none of their own; else 0."""
    if func.__name__.endswith("_"):  # in place, or a property: of the size of what is there
        return 0
    told = {name: value for name, value in kwargs.items() if name not in ("device", "generator")}
    try:
        with torch.device("meta"):
            made = func(*tree_map_only(Tensor, _without_values, args), **tree_map_only(Tensor, _without_values, told))
    except Exception:  # it needs values, which are there already, or refuses its arguments, as it will again
        return 0
    return sum(part.nbytes for part in tree_leaves(made) if isinstance(part, Tensor))


def _without_values(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, device="meta")


_TOO_LARGE = "it is far larger than the weights that it has"
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
