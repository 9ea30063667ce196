"""Runs commands of the command line in the process of a test, which saves the seconds of importing libraries."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import NamedTuple


class CommandOutput(NamedTuple):
    """The exit status and the output of a command; the fields have the names of subprocess.CompletedProcess."""

    returncode: int | str | None
    stdout: str
    stderr: str


def manage(command: str, *arguments: object) -> CommandOutput:
    """Run `manage.py COMMAND ARGUMENTS`. An exception that the command does not handle is raised, so that the test
    fails."""
    module = import_module(f"segmentation.management.commands.{command}")
    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            module.Command().run_from_argv(["manage.py", command, *map(str, arguments)])
        except SystemExit as end:
            code = end.code
    return CommandOutput(code, out.getvalue(), err.getvalue())
