"""Makes data-folder-1.0.0.tar.xz: what a small site of version 1.0.0 leaves behind, which every later version opens.

    DEEPSEGM_DATA=$(mktemp -d) OMP_NUM_THREADS=1 .venv/bin/python -m tests.data.make_folder

Never make it again with another version: make one more beside it. Requests go through Django's test client and the
worker's tasks are called here, so that no process is left behind.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import django
import numpy as np
import tifffile

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client  # noqa: E402

from segmentation.core.report.exports import viewer  # noqa: E402
from segmentation.models import Job, Micrograph, Sample  # noqa: E402
from tests.conftest import as_file  # noqa: E402
from tests.data.answers import ALICE, BASIC, signed_in  # noqa: E402
from worker import tasks  # noqa: E402

DATA = Path(settings.DEEPSEGM_DATA)
ZEISS = "\r\n".join(
    ["0", "0", "0", "7.343750e-009", "50000", "6", "AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 7.344 nm"]
)


def discs(seed: int, width: int = 96, height: int = 32) -> np.ndarray:
    """(H, W) uint8: bright discs that do not touch on a dark slope."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    picture = 40 + 8 * x // width
    for top in range(0, height, 32):
        for left in range(0, width, 32):
            radius, (dy, dx) = rng.integers(8, 13), rng.integers(14, 19, 2)
            inside = np.hypot(y - top - dy, x - left - dx) - radius
            picture = np.where(inside < 0, 190 + inside.astype(int), picture)
    return picture.astype(np.uint8)


def tiff(pixels: np.ndarray) -> SimpleUploadedFile:
    """With the pixel size that a Zeiss microscope writes."""
    file, header = io.BytesIO(), ZEISS.encode("cp1252") + b"\0"
    tifffile.imwrite(file, pixels, compression="zlib", extratags=[(34118, 2, len(header), header, True)])
    return SimpleUploadedFile("from-file.tif", file.getvalue())


def png(pixels: np.ndarray) -> SimpleUploadedFile:
    return SimpleUploadedFile("typed-width.png", as_file(pixels))


def posted(browser: Client, address: str, **fields: Any) -> str:
    """The id of the job that the form starts, once the worker has done its work."""
    response = browser.post(address, fields)
    assert response.status_code in (302, 303), response.content.decode()
    work()
    return response["Location"].strip("/").split("/")[-1]


def work() -> None:
    """What the workers do now."""
    while Micrograph.objects.waiting().exists():
        tasks.do_inspections()
    while Job.objects.waiting().exists() or Sample.objects.waiting().exists():
        tasks.do_analyses()


def small() -> None:
    """A result of Alice with a correction and a version of that; no file that is written when somebody asks for it."""
    viewer.FIGURE_LOOK, tasks._do_idle = (160, 60), lambda: None
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user(**ALICE)
    alice = signed_in()
    first = posted(alice, "/", file=tiff(discs(1)), model="particles", filter="off")
    edit = {"base": 0, "operations": [{"op": "delete", "ids": [1]}]}
    script = {"headers": {"Authorization": BASIC}, "content_type": "application/json"}
    assert alice.post(f"/api/v1/jobs/{first}/edits", edit, **script).status_code == 200
    assert alice.post(f"/api/v1/jobs/{first}/revisions", {"edits": True}, **script).status_code == 202
    work()
    note()


def large() -> None:
    """That, the result of a visitor, and a sample of two images; for the tests of backups."""
    small()
    alice, visitor = signed_in(), Client(SERVER_NAME="localhost")
    posted(visitor, "/", file=png(discs(2)), model="particles", filter="on", width="1500 nm", width_origin="typed")
    sample = {"file": [tiff(discs(1)), png(discs(2))], "name": "Batch 7", "otherwise_width": "1500 nm"}
    assert alice.post("/api/v1/samples", sample, headers={"Authorization": BASIC}).status_code == 202
    work()
    assert Sample.objects.get().state == "done"
    note()


def note() -> None:
    """asked.json: every row and who owns it."""
    assert not Job.objects.exclude(state="done").exists(), [job.error for job in Job.objects.all()]
    rows = {"jobs": Job, "samples": Sample, "uploads": Micrograph}
    named = {
        kind: {str(row.pk): "alice" if row.owner_id else "visitor" for row in model.objects.order_by("created")}
        for kind, model in rows.items()
    }
    strangers = Job.objects.filter(owner=None).values_list("visitor", flat=True)
    (DATA / "asked.json").write_text(json.dumps({**named, "visitor": str(strangers.first() or uuid4())}, indent=1))


def pack(archive: Path) -> None:
    """Everything, small and with nothing of this machine."""
    connections.close_all()
    with sqlite3.connect(DATA / "db.sqlite3") as database:
        database.execute("DELETE FROM django_session")
        database.commit()
        database.execute("VACUUM")
        database.execute("PRAGMA journal_mode=DELETE")
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for name in ("db.sqlite3", "files", "asked.json"):
            packed.add(DATA / name, name, filter=_nobodys)


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    return entry.replace(uid=0, gid=0, uname="", gname="", deep=False)


if __name__ == "__main__":
    small()
    pack(Path(__file__).with_name("data-folder-1.0.0.tar.xz"))
