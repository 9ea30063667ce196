#!/usr/bin/env python
"""Django's command line: `python manage.py up` starts everything, `help` lists the rest."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    # Before torch is imported: threads that spin while they wait stand in the way of whatever else is running.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error}")
    except OperationalError as error:
        sys.exit(
            f"The database cannot be used ({error}). `manage.py up` makes it; DEEPSEGM_DATABASE_URL names another."
        )
