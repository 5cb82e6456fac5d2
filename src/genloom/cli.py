"""The command line: ``genloom COMMAND [ARGUMENT …] [KEY=VALUE …] [flags]``.

A command is a root yaml file and a module of the same name with ``run(config)``, imported when the job starts; until
then nothing imports torch. Each is a Hydra application whose configuration is checked before Hydra runs it. Arguments
without ``=`` become the values of the key that the command's schema marks as positional, if it marks one.
``sys.argv`` stays as it is, since Lightning starts further ranks by it; those find the job's saved configuration
through the environment variable ``GENLOOM_JOB``.
"""

import argparse
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import DictConfig, OmegaConf

import genloom
from genloom.config.directory import commands, config_directory
from genloom.config.near import did_you_mean
from genloom.errors import CheckpointError, ConfigError, GenloomError, reason

INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended


def main(command: str | None = None) -> NoReturn:
    """Run a command and exit with its code.

    Args:
        command: its name; by default the first argument of the command line.
    """
    if not sys.flags.safe_path and "" not in sys.path:
        # the user's own modules can be targets; last, so that no file of a downloaded folder stands for a library
        sys.path.append(str(Path.cwd()))
    try:
        code = _main(command, sys.argv[1:])
        sys.stdout.flush()
    except GenloomError as error:
        code = _report(error)
    except BrokenPipeError:
        code = _without_a_reader()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _main(command: str | None, arguments: list[str]) -> int:
    if command is None:
        if not arguments or arguments[0] in ("-h", "--help"):
            print(_usage())
            return 0
        if arguments[0] == "--version":
            print(f"genloom {genloom.__version__}")
            return 0
        command, *arguments = arguments
    known = commands()
    if command not in known:
        raise ConfigError(
            f"{command}: unknown command{did_you_mean(command, known)} (the commands are {', '.join(known)})"
        )
    job = os.environ.get("GENLOOM_JOB")
    if job and int(os.environ.get("LOCAL_RANK") or 0) > 0:
        _module(command).run(OmegaConf.load(job))
        return 0
    return _hydra(command, arguments)


def _usage() -> str:
    lines = [f"  {name:<13}{summary}" for name, summary in commands().items()]
    return "\n".join(
        [
            "usage: genloom COMMAND [KEY=VALUE …] [flags]",
            "",
            *lines,
            "",
            "genloom COMMAND --help names the config groups, their options and examples.",
        ]
    )


def _module(command: str) -> Any:
    return importlib.import_module(f"genloom.commands.{command}")


def _report(error: GenloomError) -> int:
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exception(error)
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def _without_a_reader() -> int:
    """Return the exit code where who was reading has left, as head does: in silence, but no success, as elsewhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


# One command as a Hydra application


def _hydra(command: str, arguments: list[str]) -> int:
    from hydra._internal.utils import get_args_parser
    from hydra.types import RunMode

    from genloom.config.composition import Composer
    from genloom.config.explaining import explain
    from genloom.config.overrides import overrides
    from genloom.config.sweep import check_all

    parser = get_args_parser()
    flags = _flags(parser, command, arguments)
    flags.overrides = overrides(
        command, flags.overrides, multirun=flags.multirun, positional=not flags.shell_completion
    )
    directory = Path(flags.config_path).expanduser().resolve() if flags.config_path else config_directory()
    composer = Composer(flags.config_name or command, directory, flags.config_dir)
    hydra, root = composer.hydra, composer.command
    if flags.shell_completion:
        hydra.shell_completion(root, flags.overrides)
        return 0
    is_job = not (flags.help or flags.hydra_help or flags.cfg or flags.info)
    mode = check_all(composer, flags.overrides, multirun=flags.multirun, complete=is_job or flags.resolve)
    try:
        if flags.help:
            hydra.app_help(root, parser, flags)
        elif flags.hydra_help:
            hydra.hydra_help(root, parser, flags)
        elif flags.cfg:
            hydra.show_cfg(root, flags.overrides, flags.cfg, flags.package, flags.resolve)
        elif flags.info:
            hydra.show_info(flags.info, root, flags.overrides)
        elif mode is RunMode.MULTIRUN:
            return _sweep(hydra.multirun(root, Job(command), [*flags.overrides, "hydra.mode=MULTIRUN"]))
        else:
            outcome = hydra.run(root, Job(command), [*flags.overrides, "hydra.mode=RUN"]).return_value
            return outcome.exit_code if isinstance(outcome, Failure) else 0
    except composer.errors as error:
        raise explain(error, composer) from error
    except BrokenPipeError:
        raise
    except OSError as error:  # of Hydra's own: a job reports its errors itself
        raise ConfigError(f"run.root: {error.filename} cannot be written ({error.strerror}); set run.root") from error
    return 0


def _flags(parser: argparse.ArgumentParser, command: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser.prog = f"genloom {command}"
    parser.exit_on_error = False  # pyright: ignore
    try:
        flags, unknown = parser.parse_known_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise ConfigError(str(error).removeprefix("argument ")) from error
    options = [option for action in parser._actions for option in action.option_strings]
    if unknown:
        name = unknown[0].partition("=")[0]
        raise ConfigError(f"{name}: unknown flag{did_you_mean(name, options)}")
    if flags.experimental_rerun:
        raise ConfigError("--experimental-rerun: not supported; resume=PATH continues a run")
    if flags.resolve and not (flags.cfg or flags.help):
        raise ConfigError("--resolve: goes with --cfg")
    return flags


# Jobs


@dataclass(frozen=True)
class Failure:
    """What a job that failed returns, so that a sweep goes on whatever its launcher.

    Args:
        number: of the job in its sweep.
        overrides: that set it apart.
        message: what happened.
        exit_code: what the process would have exited with.
    """

    number: int
    overrides: list[str]
    message: str
    exit_code: int

    def __float__(self) -> float:
        """Not a number: what a sweeper that minimises something is told."""
        return float("nan")


@dataclass(frozen=True)
class Job:
    """Runs a command's module on one configuration; reports a failure and returns it."""

    command: str

    def __call__(self, config: DictConfig) -> Any:
        """Run; a sweep's jobs see the environment as it was before the first of them."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        hydra = HydraConfig.get()
        is_sweep = hydra.mode is RunMode.MULTIRUN
        number, overrides = (int(hydra.job.num) if is_sweep else 0), list(hydra.overrides.task)
        if is_sweep:
            print(f"job {number}: {' '.join(overrides)}", flush=True)
        environment = dict(os.environ)
        try:
            return _module(self.command).run(config)
        except GenloomError as error:
            return Failure(number, overrides, str(error), _report(error))
        except BrokenPipeError:
            return Failure(number, overrides, "the reader of its output has left", _without_a_reader())
        except Exception as error:
            if "checkpoint" in config and config.checkpoint:  # whoever wrote it may have written anything
                told = CheckpointError(
                    f"{config.checkpoint}: what it describes does not work ({type(error).__name__}: {reason(error)}); "
                    "HYDRA_FULL_ERROR=1 shows where"
                )
                told.__cause__ = error
                return Failure(number, overrides, str(told), _report(told))
            # a bug: its traceback is shown, and a sweep's other jobs still run
            traceback.print_exc()
            return Failure(number, overrides, f"{type(error).__name__}: {error}", 1)
        except SystemExit as error:
            # codes above 128 are signals: they are meant for the whole process
            if not is_sweep or (isinstance(error.code, int) and error.code > 128):
                raise
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
            return Failure(number, overrides, f"exit {error.code}", code) if code else None
        finally:
            if is_sweep:  # Lightning leaves LOCAL_RANK behind, which tells the next job that it is a rank already
                os.environ.clear()
                os.environ.update(environment)


def _failures(results: Any) -> Iterator[Failure]:
    for batch in results or ():
        for result in batch:
            if isinstance(result.return_value, Failure):
                yield result.return_value


def _sweep(results: Any) -> int:
    failures = list(_failures(results))
    if not failures:
        return 0
    print(f"error: {len(failures)} of {sum(map(len, results))} jobs failed:", file=sys.stderr)
    for failure in failures:
        print(f"  job {failure.number} ({' '.join(failure.overrides)}): {failure.message}", file=sys.stderr)
    codes = {failure.exit_code for failure in failures}
    return codes.pop() if len(codes) == 1 else 1
