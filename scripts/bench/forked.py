"""Commands as forked children of one process that has imported everything, several at once."""

import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """Something that a child does; ``do`` raises or exits with a code where it fails."""

    name: str
    do: Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a command.

    Args:
        name: the command's.
        code: that it exited with; negative is a signal; None: there was no time to start it.
        seconds: that it took.
        text: what it printed.
    """

    name: str
    code: int | None
    seconds: float = 0.0
    text: str = ""

    @property
    def fault(self) -> str:
        """What was wrong, in a line."""
        if self.code is None:
            return f"{self.name}: no time was left to start it"
        last = [line.strip()[:200] for line in self.text.splitlines() if line.strip()][-2:]
        return f"{self.name}: exit {self.code} after {self.seconds:.0f} s: {' | '.join(last)}"


@dataclass(frozen=True)
class Children:
    """Runs commands by forked children.

    Args:
        folder: their working directory, and where what they print is kept.
        jobs: at once.
        each: seconds after which one is ended.
        end: when no further one starts and the running ones are ended, by :func:`time.monotonic`.
    """

    folder: Path
    jobs: int
    each: float
    end: float

    def run(self, commands: list[Command]) -> list[Outcome]:
        """Return what came of each, in the order in which they ended."""
        waiting, running, outcomes = list(commands), {}, []
        while waiting or running:
            now = time.monotonic()
            if now >= self.end:
                outcomes += [Outcome(command.name, None) for command in waiting]
                waiting = []
            while waiting and len(running) < self.jobs:
                command = waiting.pop(0)
                running[self._start(command)] = (command, time.monotonic())
            pid, status = os.waitpid(-1, os.WNOHANG) if running else (0, 0)
            if pid:
                command, began = running.pop(pid)
                text = self._log(command).read_text(encoding="utf-8", errors="replace")
                code = os.waitstatus_to_exitcode(status)
                outcomes.append(Outcome(command.name, code, time.monotonic() - began, text))
            elif running:
                for late, (_, began) in running.items():
                    if now - began > self.each or now > self.end + 5:
                        os.killpg(late, signal.SIGKILL)
                time.sleep(0.02)
        return outcomes

    def _log(self, command: Command) -> Path:
        return self.folder / "logs" / f"{file_name(command.name)}.log"

    def _start(self, command: Command) -> int:
        if pid := os.fork():
            return pid
        code = 1
        try:
            os.setsid()
            log = os.open(self._log(command), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
            os.chdir(self.folder)
            command.do()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def file_name(text: str) -> str:
    """Return ``text`` as the name of a file."""
    return re.sub(r"[^a-zA-Z0-9.-]+", "_", text)
