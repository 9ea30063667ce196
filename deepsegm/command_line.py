"""The command line, `manage.py` of a checkout and `deepsegm` of an installed wheel: `up` starts
everything, `help` lists the rest."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command of `sys.argv`; ends the process with one sentence where the site's settings or
    its database are at fault."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    # Before torch is imported: otherwise threads of OpenMP that wait keep the cores busy.
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
