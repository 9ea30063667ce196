"""Static files as `up` collects them: compressed, and named after their content so that browsers keep them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

LEFT_OUT = ["ext"]  # a folder of django-htmx: we use no extension, and they import a file that does not exist


class CollectedFiles(CompressedManifestStaticFilesStorage):
    """Before they are collected, as in tests, files have their own names and lie where they were written."""

    support_js_module_import_aggregation = True
    manifest_strict = False

    def stored_name(self, name: str) -> str:
        """The name of a file in addresses."""
        return super().stored_name(name) if self.hashed_files else name


def collect() -> None:
    """Collect the files into STATIC_ROOT, unless those of a former start are still the same."""
    listed = [
        (path, storage.size(path), storage.get_modified_time(path).isoformat())
        for finder in get_finders()
        for path, storage in finder.list(LEFT_OUT)
    ]
    state = hashlib.sha256(json.dumps(listed).encode()).hexdigest()
    stamp = Path(settings.STATIC_ROOT) / "collected"
    if not (stamp.is_file() and stamp.read_text() == state):
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=LEFT_OUT)
        stamp.write_text(state)
