"""The static files of the site. `up` collects them: compressed, and with a hash of the content in
the name, so that browsers can cache them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Patterns of files that are not collected: the folder of htmx extensions in django-htmx. We use
# none of them, and they import a file that does not exist.
LEFT_OUT = ["ext"]


class CollectedFiles(CompressedManifestStaticFilesStorage):
    """The collected files. If nothing was collected, as in tests, files are served under their own
    names."""

    support_js_module_import_aggregation = True
    manifest_strict = False

    def stored_name(self, name: str) -> str:
        """The name of a file in its address, with the hash if it was collected."""
        return super().stored_name(name) if self.hashed_files else name


def collect() -> None:
    """Collect the files into STATIC_ROOT, unless nothing changed since an earlier start."""
    files = [
        (path, storage.size(path), storage.get_modified_time(path).isoformat())
        for finder in get_finders()
        for path, storage in finder.list(LEFT_OUT)
    ]
    state = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    state_file = Path(settings.STATIC_ROOT) / "collected"
    if not (state_file.is_file() and state_file.read_text() == state):
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=LEFT_OUT)
        state_file.write_text(state)
