"""``genloom report``: tables of runs, in the terminal and as CSV and Markdown."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from genloom.errors import ConfigError
from genloom.reports.files import to_csv, to_markdown
from genloom.reports.finished import LeftOut, read
from genloom.reports.tables import Layout, Table
from genloom.reports.terminal import show
from genloom.runs.directory import write_text


def run(config: DictConfig) -> None:
    """Print the tables and the runs that are in none; with ``out``, write report.csv and report.md there.

    Raises:
        ConfigError: a folder holds no run, a column is unknown, or ``out`` cannot be written.
    """
    runs, without_results = read(config.runs)
    layout = Layout(config.weights, config.columns, config.sort)
    tables, left_out = layout.tables(runs)
    left_out = [*without_results, *left_out]
    if config.out is not None:  # before the terminal's turn, whose reader may leave early, as head does
        _write(Path(config.out).expanduser(), tables, left_out)
    show(tables, left_out)


def _write(folder: Path, tables: Sequence[Table], left_out: Sequence[LeftOut]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "report.csv", to_csv(tables))
        write_text(folder / "report.md", to_markdown(tables, left_out))
    except OSError as error:
        raise ConfigError(f"out: {folder} cannot be written ({error.strerror}); set out") from error
    print(f"written: {folder / 'report.csv'}, {folder / 'report.md'}")
