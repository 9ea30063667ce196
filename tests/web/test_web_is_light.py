"""The web process imports scipy and scikit-image when the first correction comes, and no other heavy library ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OF_CORRECTIONS = {"scipy", "skimage"}
HEAVY = {"torch", "torchvision", "matplotlib", "segmentation_models_pytorch", "timm", *OF_CORRECTIONS}
MEGABYTES = 165  # with Python 3.11 and its older NumPy 10 less
CORRECTING = 40  # MB that every operation of the corrections adds to that
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
def looked():
    # Not ru_maxrss: a child inherits that from the process it was forked from.
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
    return {"modules": sorted({name.partition(".")[0] for name in sys.modules}), "peak": peak}
at_start = looked()
from segmentation.core.labels.corrections.operations import Corrections
from segmentation.core.labels.corrections.working import WorkingLabels
from tests.core.labels.test_old_logs import LOG, picture
corrections = Corrections(WorkingLabels.of(picture()))
for edit in json.loads(LOG.read_text())["edits"]:
    corrections.do(edit["operation"])
corrected = looked()
print(json.dumps({"statuses": statuses, "tasks": every, "at_start": at_start, "corrected": corrected}))
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
    assert not HEAVY & set(seen["at_start"]["modules"])
    assert seen["at_start"]["peak"] < MEGABYTES
    assert HEAVY & set(seen["corrected"]["modules"]) == OF_CORRECTIONS
    assert seen["corrected"]["peak"] < seen["at_start"]["peak"] + CORRECTING
