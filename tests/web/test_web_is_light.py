"""The web process never imports the heavy libraries, whatever is asked of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torchvision", "skimage", "matplotlib", "scipy", "segmentation_models_pytorch", "timm")
MEGABYTES = 165  # with Python 3.11 and its older NumPy 10 less
LOOK = """
import json, re, sys
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.core.servers.basehttp import get_internal_wsgi_application
get_internal_wsgi_application()
from django.urls import get_resolver
len(get_resolver().url_patterns)
from django.test import Client
client = Client(headers={"host": "localhost"})
from segmentation.core.report import exports
assert len(exports.every()) > 20
from segmentation.core import tasks
from tests.tasks import brightness
tasks.catalogue()["brightness"] = brightness.TASK
every = [(task.name, len(task.golden().maps)) for task in tasks.every()]
addresses = ("/", "/results/", "/models/", "/help/", "/healthz", "/accounts/login/", "/api/v1/openapi.json")
answers = [client.get(address) for address in addresses]
statuses = [answer.status_code for answer in answers]
assert all(name in answers[-1].content.decode() for name in ("polarity", "smooth"))
# Not ru_maxrss: a child inherits that from the process it was forked from.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
modules = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"modules": modules, "statuses": statuses, "peak": peak, "tasks": every}))
"""


def test_all_addresses_and_some_requests_import_nothing_heavy(tmp_path):
    environment = {**os.environ, "DEEPSEGM_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "deepsegm.settings"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["statuses"] == [200] * 7
    assert seen["tasks"][0] == ["particles", 2] and ["brightness", 2] in seen["tasks"]
    assert not set(HEAVY) & set(seen["modules"])
    assert seen["peak"] < MEGABYTES
