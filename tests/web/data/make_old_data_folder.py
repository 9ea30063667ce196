"""Makes data-folder-9719d7d.tar.xz: a database and files as the code of commit 9719d7d wrote them.

    git worktree add /tmp/v9719 9719d7d && cd /tmp/v9719 && ln -s CHECKOUT/.venv .venv
    export DEEPSEGM_DATA=$(mktemp -d) DEEPSEGM_PRECISION=float32 OMP_NUM_THREADS=1 PYTHONPATH=.
    TO=CHECKOUT/tests/web/data; .venv/bin/python $TO/make_old_data_folder.py $TO/data-folder-9719d7d.tar.xz

Requests go through Django's test client and the worker's tasks are called here, so that no process is left behind. What
that site answered about all of it (answers.py) is packed as answers.json. The model "visiting" is removed at the end.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import django
import numpy as np
import tifffile
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
django.setup()

from answers import ALICE, BASIC  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client  # noqa: E402

HERE = Path(__file__).parent
DATA = Path(settings.DEEPSEGM_DATA)
ZEISS = "\r\n".join(
    ["0", "0", "0", "7.343750e-009", "50000", "6", "AP_IMAGE_PIXEL_SIZE", "Image Pixel Size = 7.344 nm"]
)
DPI = 30  # of the figures, instead of 300
KEPT = ("db.sqlite3", "files", "asked.json", "answers.json")


def discs(seed: int, width: int = 128, height: int = 96) -> np.ndarray:
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
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return SimpleUploadedFile("typed-width.png", file.getvalue())


def add_visiting_model() -> None:
    """A copy of the released model under another name, as `manage.py models add` would leave it."""
    cards, folder = settings.BASE_DIR / "segmentation" / "cards", Path(settings.DEEPSEGM_MODELS)
    folder.mkdir(parents=True)
    shutil.copy(cards / "particles.safetensors", folder / "visiting.safetensors")
    card = (
        (cards / "particles.toml")
        .read_text()
        .replace('"particles"', '"visiting"', 1)
        .replace('"Particles"', '"Visiting"', 1)
    )
    (folder / "visiting.toml").write_text(card)


def write_what_packs_well() -> None:
    """Coarse figures and uncompressed PNG and PDF, in which xz finds what all share: under 300 kB."""
    from segmentation.core.report import figure, png, sample_figure

    figure.DPI = sample_figure.DPI = DPI
    png.LEVEL = 0
    switch = Canvas.setPageCompression
    Canvas.setPageCompression = lambda canvas, wanted: switch(canvas, 0)


def posted(browser: Client, address: str, **fields: Any) -> str:
    """The id of the job that the form starts."""
    response = browser.post(address, fields)
    assert response.status_code in (302, 303), response.content.decode()
    return response["Location"].strip("/").split("/")[1]


def work() -> None:
    """What the worker would do now."""
    from segmentation.models import Job, Sample
    from worker import tasks

    for job in Job.objects.filter(state="queued").order_by("queued"):
        tasks.run_job(str(job.pk))
    for sample in Sample.objects.filter(state="queued"):
        tasks.run_sample(str(sample.pk))


def make() -> None:
    from segmentation.models import Job

    write_what_packs_well()
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user(**ALICE)
    add_visiting_model()
    alice, visitor = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
    alice.login(**ALICE)
    posted(alice, "/", file=tiff(discs(1)), model="particles", filter="off")
    typed = {"width": "1500 nm", "width_origin": "typed"}
    filtered = posted(visitor, "/", file=png(discs(2)), model="visiting", filter="on", **typed)
    work()
    posted(visitor, f"/jobs/{filtered}/width/", width="1800 nm", origin="typed")
    sample = {"file": [tiff(discs(1)), png(discs(2))], "name": "Batch 7", "otherwise_width": "1500 nm"}
    assert alice.post("/api/v1/samples", sample, headers={"Authorization": BASIC}).status_code == 202
    work()
    posted(visitor, "/", file=png(discs(3)), model="visiting", filter="off", **typed)
    shutil.rmtree(settings.DEEPSEGM_MODELS)
    work()
    states = sorted(Job.objects.values_list("state", flat=True))
    assert states == ["done"] * 5 + ["failed"], [(j.state, j.error) for j in Job.objects.all()]


def asked() -> dict[str, Any]:
    """Every row and who owns it."""
    from segmentation.models import Job, Sample, Upload

    rows = {"jobs": Job, "samples": Sample, "uploads": Upload}
    named = {
        kind: {str(row.pk): "alice" if row.owner_id else "visitor" for row in model.objects.order_by("created")}
        for kind, model in rows.items()
    }
    return {**named, "visitor": str(Job.objects.filter(owner=None).first().visitor)}


def pack(archive: Path) -> None:
    """answers.json without the pages' HTML, then everything, small and with nothing of this machine."""
    command = [sys.executable, HERE / "answers.py"]
    answers = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    for row in [*answers["jobs"].values(), *answers["samples"].values()]:
        row["page"] = {"status": row["page"]["status"]}
    (DATA / "answers.json").write_text(json.dumps(answers, indent=1))
    connections.close_all()
    with sqlite3.connect(DATA / "db.sqlite3") as database:
        database.execute("DELETE FROM django_session")
        database.commit()
        database.execute("VACUUM")
        database.execute("PRAGMA journal_mode=DELETE")
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for name in KEPT:
            packed.add(DATA / name, name, filter=_nobodys)


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    make()
    (DATA / "asked.json").write_text(json.dumps(asked(), indent=1))
    pack(Path(sys.argv[1]))
