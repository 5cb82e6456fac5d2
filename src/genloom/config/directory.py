"""Where the project's own yaml files are, and which commands they define: one root file each."""

from pathlib import Path

import genloom


def config_directory() -> Path:
    """Return ``genloom/conf`` of the installed package, or ``conf`` of the checkout that the package is edited in."""
    package = Path(genloom.__file__).resolve().parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


def commands() -> dict[str, str]:
    """Return what each command does, by name: the first comment of its root file, ``# genloom NAME: what it does``."""
    roots = sorted(config_directory().glob("*.yaml"))
    return {root.stem: root.read_text().partition("\n")[0].partition(": ")[2] for root in roots}
