"""Writes the folder of a stored example: rows and files of one result of a site, and the pictures of the start page.

DEEPSEGM_DATA=FOLDER python -m tests.examples.stored JOB KIND
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
django.setup()

from django.core.files.storage import default_storage  # noqa: E402
from django.core.serializers import serialize  # noqa: E402
from django.db.models import FileField  # noqa: E402

from segmentation.core.micrograph.reader import read  # noqa: E402
from segmentation.core.pipeline import measure  # noqa: E402
from segmentation.core.report.figures.picture import before_and_after, captioned_webp  # noqa: E402
from segmentation.models import Job  # noqa: E402
from segmentation.services.results.uploads import SOURCES  # noqa: E402
from tests.examples.__main__ import SMALL, middle  # noqa: E402
from worker.reading.outlines import stored_segmentation  # noqa: E402

# Files that a worker makes when somebody asks for them.
LEFT_OUT = ("figure", "report", "caption", "particles-comma", "particles.xlsx", "bundle", "notebook")
SKY, GROUND = (86, 180, 233), (14, 17, 19)


def write(pk: str, kind: str) -> None:
    job = Job.objects.get(pk=pk)
    folder = Path("static/sample", kind)
    folder.mkdir(exist_ok=True)
    artifacts = [row for row in job.artifacts.order_by("name") if not row.name.startswith(LEFT_OUT)]
    rows = json.loads(serialize("json", [job.micrograph, job.segmentation, job, *artifacts]))
    files = {}
    for row, entry in zip([job.micrograph, job.segmentation, job, *artifacts], rows, strict=True):
        entry["pk"] = entry["pk"] if len(str(entry["pk"])) == 36 else None
        fields = entry["fields"]
        fields |= {name: None for name in ("owner", "visitor", "parent", "method", "sample") if name in fields}
        fields |= {name: "" for name in ("address",) if name in fields}
        for field in row._meta.fields:
            if isinstance(field, FileField) and (name := getattr(row, field.name).name):
                files[Path(name).name] = name
    text = json.dumps({"job": pk, "sha256": job.micrograph.sha256, "files": files, "rows": rows})
    text = text.replace(f'"submission": "{job.submission}"', '"submission": "example {job}"')
    for table, row in (("job", job), ("micrograph", job.micrograph), ("segmentation", job.segmentation)):
        text = text.replace(str(row.pk), f"{{{table}}}")
    (folder / "rows.json").write_text(text + "\n")
    for name, stored in files.items():
        with default_storage.open(stored, "rb") as file:
            (folder / name).write_bytes(file.read())
    draw(job, folder, folder / Path(job.micrograph.file.name).name)


def draw(job: Job, folder: Path, picture: Path) -> None:
    """The three pictures of the start page: the image, its outlines, their sizes."""
    result = measure(read(picture), stored_segmentation(job), job.get_settings())
    plain, coloured = (middle(each) for each in before_and_after(result, picture_width(picture)))
    sizes = result.table.rescaled(None)["min_feret_px"][result.table["kept"]]
    caption = SOURCES[job.micrograph.sha256]
    for name, panel in {"image": plain, "outlines": coloured, "histogram": histogram(sizes)}.items():
        (folder / f"start-{name}.webp").write_bytes(captioned_webp(panel, caption))


def picture_width(picture: Path) -> int:
    with Image.open(picture) as opened:
        return opened.width


def histogram(sizes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Sizes in px as bars on the dark ground of a picture."""
    counts, edges = np.histogram(sizes, 12)
    drawing = Image.new("RGB", SMALL, GROUND)
    pen, font, pitch = ImageDraw.Draw(drawing), ImageFont.load_default(size=15), (SMALL[0] - 20) / len(counts)
    for number, count in enumerate(counts.tolist()):
        left = 10 + number * pitch
        pen.rectangle((left + 1, 168 - 150 * count / counts.max(), left + pitch - 2, 168), fill=SKY)
    for number in (0, 4, 8):
        pen.text((24 + number * pitch, 184), f"{edges[number]:.0f} px", fill="white", font=font, anchor="mm")
    return np.asarray(drawing)


if __name__ == "__main__":
    write(*sys.argv[1:])
