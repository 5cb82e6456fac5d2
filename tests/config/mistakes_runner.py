"""Runs many command lines, each in a fork of a process that has only imported the command line.

Reads a list of argument lists from standard input and writes what became of each, as JSON.
"""

import json
import os
import sys
import tempfile
from typing import Any

import genloom.cli
import genloom.config.sweep


def run(arguments: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, tempfile.TemporaryFile("w+") as note:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["genloom", *arguments]
            code: Any = None
            try:
                genloom.cli.main()
            except SystemExit as error:
                code = error.code
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                argv_kept = sys.argv == ["genloom", *arguments]
                json.dump({"code": code, "torch": "torch" in sys.modules, "argv_kept": argv_kept}, note)
                note.flush()
                os._exit(0)
        _, _, usage = os.wait4(child, 0)
        for file in (out, err, note):
            file.seek(0)
        return {
            "out": out.read(),
            "err": err.read(),
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            **json.loads(note.read()),
        }


if __name__ == "__main__":
    json.dump([run(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
