"""The Celery application. Its settings are those of `deepsegm.settings` whose names begin with
CELERY_."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
# Our own broker, which keeps messages in files; its address is such as spool://localhost.
TRANSPORT_ALIASES["spool"] = "worker.spool:Transport"

app = Celery("deepsegm")
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """Do nothing: if this signal has a receiver, Celery does not replace the logging that Django
    has set up."""
