"""Writes the folder of a stored example: the rows and files of one result of a site.

DEEPSEGM_DATA=FOLDER python -m tests.examples.stored JOB KIND
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
django.setup()

from django.core.files.storage import default_storage  # noqa: E402
from django.core.serializers import serialize  # noqa: E402
from django.db.models import FileField  # noqa: E402

from segmentation.models import Job  # noqa: E402

# Made when somebody asks for them, or worthless without the site that wrote them.
LEFT_OUT = ("bundle", "notebook", "report", "figure.pdf", "figure.svg")


def write(pk: str, kind: str) -> None:
    job = Job.objects.get(pk=pk)
    folder = Path("static/sample", kind)
    folder.mkdir(exist_ok=True)
    artifacts = [row for row in job.artifacts.order_by("name") if not row.name.startswith(LEFT_OUT)]
    rows = json.loads(serialize("json", [job.micrograph, job.segmentation, job, *artifacts]))
    files = {}
    for row, entry in zip([job.micrograph, job.segmentation, job, *artifacts], rows, strict=True):
        entry["pk"] = entry["pk"] if len(str(entry["pk"])) == 36 else None
        entry["fields"] |= {name: None for name in ("owner", "visitor", "parent", "method") if name in entry["fields"]}
        entry["fields"] |= {"address": ""} if "address" in entry["fields"] else {}
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


if __name__ == "__main__":
    write(*sys.argv[1:])
