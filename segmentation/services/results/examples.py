"""Examples with a stored result: real micrographs, analysed when a version was made (python -m tests.examples.stored).

The folder static/sample/KIND has the files of the result, and rows.json: "rows" with {job} and the like in place of
ids, "files" by name, and the "sha256" of the picture.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.serializers import deserialize
from django.db import transaction
from django.utils import timezone

from ...models import Arrival, Job, Owned
from ..ground import bounds
from ..ground.files import remove_files, undo_on_failure

# By the SHA-256 of a picture: whose it is, and under which licence.
SOURCES = {
    "a2297bd4c78b2f684cea33b647987aecc595b9d36cbb54e52f2fa3c7ac854569": (
        "gas-atomised metal powder, SEM, R. Cohn and others, doi.org/10.1007/s11837-021-04713-y (AMPIS, MIT licence);"
        " no scale is published with it"
    ),
}


def stored_example(kind: str) -> dict[str, Any]:
    """The content of rows.json of a kind, with new ids; {} if the kind has no stored example."""
    file = Path(settings.STATICFILES_DIRS[0], "sample", kind, "rows.json")
    text = file.read_text() if file.is_file() else "{}"
    for table in ("micrograph", "segmentation", "job"):
        text = text.replace(f"{{{table}}}", str(uuid4()))
    content: dict[str, Any] = json.loads(text)
    return content


def show_stored(kind: str, *, user: Any, visitor: UUID | None, address: str) -> Job:
    """Make the stored example of a kind a result of the caller, who may correct it. Raises Refused (429, 507) as an
    upload does."""
    folder, content = Path(settings.STATICFILES_DIRS[0], "sample", kind), stored_example(kind)
    size = sum((folder / name).stat().st_size for name in content["files"])
    bounds.ask(Arrival, size=size, user=user, visitor=visitor, address=address)
    fields = {**Job.fields_of(user, visitor, address), "created": timezone.now()}
    with undo_on_failure(lambda: remove_files(content["files"].values())), transaction.atomic():
        Arrival.objects.create(**fields)
        for name, stored_name in content["files"].items():
            with (folder / name).open("rb") as file:
                default_storage.save(stored_name, File(file))
        for entry in deserialize("python", content["rows"]):
            for name, value in fields.items() if isinstance(entry.object, Owned) else ():
                setattr(entry.object, name, value)
            entry.save(force_insert=True)
    return Job.objects.get(pk=content["job"])
