"""A stated scale names its source by the words of `Source`, and has a drawn line in fields of its own."""

from __future__ import annotations

from typing import Any

from django.db import migrations

SOURCES = {"file": "metadata"}  # all others have kept their words


def with_source(asked: dict[str, Any]) -> dict[str, Any]:
    """The statement with "source" instead of "origin", which was "drawn:PIXELS:ERROR:LENGTH" of a line."""
    source, *line = str(asked["origin"] or "").split(":", 3)
    kept = {name: value for name, value in asked.items() if name != "origin"}
    fields = dict(zip(("pixels", "error", "length"), line, strict=True)) if len(line) == 3 else {}
    return kept | {"source": SOURCES.get(source, source) or None} | fields


def rename(apps: Any, schema_editor: Any) -> None:
    for name in ("Job", "Micrograph"):
        for row in apps.get_model("segmentation", name).objects.filter(asked__has_key="origin").iterator():
            row.asked = with_source(row.asked)
            row.save(update_fields=["asked"])


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0003_figures_with_options")]

    operations = [migrations.RunPython(rename, migrations.RunPython.noop)]
