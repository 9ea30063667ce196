"""The command line in this process: what it would say and how it would end, without the seconds that imports take."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import NamedTuple


class Said(NamedTuple):
    """How a command ended, and what it told; the fields are named as those of subprocess.CompletedProcess."""

    returncode: int | str | None
    stdout: str
    stderr: str


def manage(command: str, *arguments: object) -> Said:
    """`manage.py COMMAND ARGUMENTS` from the parser to the exit code; a traceback fails the test that runs it."""
    module = import_module(f"segmentation.management.commands.{command}")
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            module.Command().run_from_argv(["manage.py", command, *map(str, arguments)])
        except SystemExit as end:
            code = end.code
    return Said(code, out.getvalue(), err.getvalue())
