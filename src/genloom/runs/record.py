"""What a run writes down about itself: configuration, environment, status, metrics."""

import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from genloom.runs.directory import write_json, write_text

_PACKAGES = (
    "genloom", "torch", "pytorch-lightning", "torchmetrics", "torchvision", "torch-fidelity",
    "hydra-core", "omegaconf", "numpy", "scikit-learn",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git() -> dict[str, Any] | None:
    def ask(*words: str) -> str:
        result = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10, check=True)
        return result.stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def environment(device: str, fingerprint: str, **how: Any) -> dict[str, Any]:
    """Return what a repeat of the run needs to know: versions, machine, device, code, data, and ``how`` it is done."""
    return {
        "versions": versions(),
        "machine": {"system": platform.platform(), "processor": platform.processor() or platform.machine()},
        "device": device,
        **how,
        "git": _git(),
        "command": sys.argv,
        "data_fingerprint": fingerprint,
    }


@dataclass
class Record:
    """Writes the files of one run's directory.

    Args:
        directory: the run's.
        identity: digest of the configuration, by which an unfinished run is found again.
    """

    directory: Path
    identity: str
    _started: float = field(default_factory=time.time)

    def configuration(self, config: DictConfig, overrides: list[str]) -> None:
        """Write config.yaml, resolved, and overrides.yaml."""
        write_text(self.directory / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        write_text(self.directory / "overrides.yaml", OmegaConf.to_yaml(OmegaConf.create(overrides)))

    def environment(self, device: str, fingerprint: str, **how: Any) -> None:
        """Write environment.json."""
        write_json(self.directory / "environment.json", environment(device, fingerprint, **how))

    def skipped(self, files: list[tuple[Path, str]]) -> None:
        """Write skipped.txt, the files that were left out and why, if there are any."""
        if files:
            write_text(
                self.directory / "skipped.txt",
                "".join(f"{path}: {reason}\n" for path, reason in files),
            )

    def status(self, state: Literal["running", "finished", "failed"], **details: Any) -> None:
        """Write status.json: the state, the seconds since the start, and why a run failed."""
        seconds = round(time.time() - self._started, 1)
        status = {"status": state, "seconds": seconds, "configuration": self.identity, **details}
        write_json(self.directory / "status.json", status)

    def metrics(self, metrics: dict[str, Any]) -> None:
        """Write metrics.json: the final values with their protocol."""
        write_json(self.directory / "metrics.json", metrics)
