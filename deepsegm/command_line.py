"""The command line: `manage.py` in a checkout, `deepsegm` in an installed wheel. The command `up`
starts the site, `help` lists all commands."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command in `sys.argv`. If a setting or the database is at fault, the process ends
    with one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    # This must be set before torch is imported: otherwise waiting threads of OpenMP keep the cores
    # busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db.utils import OperationalError

    from segmentation.location import COMMAND

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error}")
    except OperationalError as error:
        advice = f"Run `{COMMAND} up` to create it, or set DEEPSEGM_DATABASE_URL to use another."
        sys.exit(f"The database cannot be used ({error}). {advice}")
