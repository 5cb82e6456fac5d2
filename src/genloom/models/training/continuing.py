"""Optimizers of a run that continues: their states are the checkpoint's, their settings the configuration's."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from genloom.errors import ConfigError

Settings = list[dict[str, Any]]  # of each group of parameters
_FOLLOWED = ("lr", "betas", "eps", "weight_decay", "capturable")  # no state depends on these, but where its steps are


def capturable(optimizer: Optimizer) -> None:
    """Have an optimizer on a GPU keep there what it counts, and read its rates there, if it is one that can."""
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True


def settings_of(optimizer: Optimizer) -> Settings:
    """Return what may be changed when a run is continued."""
    return [{name: group[name] for name in _FOLLOWED if name in group} for group in optimizer.param_groups]


def follow(player: str, optimizer: Optimizer, settings: Settings, schedule: LRScheduler | None) -> None:
    """Give an optimizer its configured settings, and its schedule the rates that it starts from.

    Args:
        player: whose it is.
        optimizer: with the settings of the checkpoint, if there was one.
        settings: the configured ones.
        schedule: the optimizer's.

    Raises:
        ConfigError: a rate was changed under a schedule that does not compute it from its start.
    """
    for group, wanted in zip(optimizer.param_groups, settings, strict=True):
        if schedule is not None and not isinstance(schedule, LambdaLR) and group["initial_lr"] != wanted["lr"]:
            raise ConfigError(
                f"optimizer.{player}.lr: {type(schedule).__name__} can't go on from another rate than "
                f"{group['initial_lr']}; leave it, or start from the weights by init_from=… in place of resume=…"
            )
        group.update({name: value for name, value in wanted.items() if schedule is None or name != "lr"})
        for parameter in group["params"] if group.get("capturable") else ():
            state = optimizer.state.get(parameter, {})
            if "step" in state:  # on the CPU, if the checkpoint is from there
                state["step"] = state["step"].to(parameter.device)
    if isinstance(schedule, LambdaLR):
        schedule.base_lrs = [wanted["lr"] for wanted in settings]
        for group, base, factor in zip(optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
            group["initial_lr"], group["lr"] = base, base * factor(schedule.last_epoch)
