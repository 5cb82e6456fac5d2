"""What the signatures of other libraries don't say: the ranges of arguments, and those that genloom has no use for.

A range is written as an annotation in the words of :mod:`genloom.limits`; an argument without use has its remedy.
"""

from collections.abc import Mapping

_BETA = "Annotated[float, Ge(0), Lt(1)]"

#: by the module that defines the target, or a module above it
RANGES: dict[str, dict[str, str]] = {
    "torch.optim": {
        "lr": "Annotated[float, Ge(0)]",
        "betas": f"tuple[{_BETA}, {_BETA}]",
        "eps": "Annotated[float, Ge(0)]",
        "weight_decay": "Annotated[float, Ge(0)]",
        "momentum": "Annotated[float, Ge(0)]",
        "alpha": "Annotated[float, Ge(0), Le(1)]",
    },
    "genloom.models.training.trainer": {
        "max_steps": "Annotated[int, Ge(-1)]",
        "max_epochs": "Annotated[int, Ge(-1)] | None",
        "log_every_n_steps": "Annotated[int, Ge(1)]",
        "num_nodes": "Annotated[int, Ge(1)]",
        "limit_train_batches": "Annotated[float, Ge(0)] | None",
        "overfit_batches": "Annotated[float, Ge(0)]",
    },
    "pytorch_lightning.callbacks.model_checkpoint": {
        "save_top_k": "Annotated[int, Ge(-1)]",
        "every_n_train_steps": "Annotated[int, Ge(0)] | None",
    },
    "pytorch_lightning.callbacks.early_stopping": {"patience": "Annotated[int, Ge(0)]"},
}

_NO_VALIDATION = "nothing is validated by Lightning's loop; use callbacks.evaluation.every_iterations=…"
_BY_GENLOOM = "genloom sets it"
_UNUSED: dict[str, dict[str, str]] = {
    "genloom.models.training.trainer.Trainer": {
        "accumulate_grad_batches": "use model.accumulation=…",
        "gradient_clip_val": "use model.gradient_clip_norm=…",
        "gradient_clip_algorithm": "gradients are clipped by their norm; use model.gradient_clip_norm=…",
        "fast_dev_run": "use debug=fast_dev_run",
        "callbacks": "use callbacks=… or +callbacks.NAME._target_=…",
        "logger": "use logger=…",
        "enable_progress_bar": "use progress_bar=…",
        "enable_checkpointing": "use callbacks=…; callbacks=none keeps the last checkpoint only",
        "default_root_dir": "use run.dir=…",
        "barebones": "use callbacks=none logger=none metrics=none progress_bar=false",
        "min_steps": "use trainer.max_steps=…",
        "min_epochs": "use trainer.max_epochs=…",
        "sync_batchnorm": "batches are divided among devices, each with statistics of its own",
        "reload_dataloaders_every_n_epochs": "the data stays the same through a run",
        "use_distributed_sampler": f"{_BY_GENLOOM}: batches are divided by the data itself",
        "enable_model_summary": f"{_BY_GENLOOM}: the number of parameters is printed",
        "plugins": f"{_BY_GENLOOM}, so that checkpoints are whole; precisions are trainer.precision=…",
        "inference_mode": _NO_VALIDATION,
        **dict.fromkeys(
            (
                "limit_val_batches", "limit_test_batches", "limit_predict_batches", "val_check_interval",
                "check_val_every_n_epoch", "num_sanity_val_steps",
            ),
            _NO_VALIDATION,
        ),
    }
}  # fmt: skip


def unused(target: str, argument: str) -> str | None:
    """Return what to set instead of an argument that can't work here; None for one that can."""
    return _UNUSED.get(target, {}).get(argument)


def ranges(module: str) -> Mapping[str, str]:
    """Return the annotations that replace those of a target defined in ``module``."""
    return next((found for name, found in RANGES.items() if f"{module}.".startswith(f"{name}.")), {})
