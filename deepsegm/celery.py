"""The Celery application; its settings are the CELERY_ ones of `deepsegm.settings`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
TRANSPORT_ALIASES["spool"] = "worker.spool:Transport"

app = Celery("deepsegm")
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """Django's LOGGING stands; a receiver of this signal makes Celery leave it alone."""
