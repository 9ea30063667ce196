"""`manage.py up` whose worker is the slow one of `slow_app`."""

import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    import django

    import deepsegm.celery  # noqa: F401  names the settings

    django.setup()
    from worker.management.commands import up
    from worker.processes import supervise

    supervise.LONGEST_WAIT = 2.0
    up.WORKER = (sys.executable, "-m", "tests.worker.slow_app")
    execute_from_command_line(["manage.py", "up", *sys.argv[1:]])
