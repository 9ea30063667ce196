"""What 2.0.0 stores beside 1.0.0: texts of a laboratory, figures with options, pages of stacks.

A stated scale names its source by the words of `Source`, and has a drawn line in fields of its own.
"""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

INTERNAL = {"blank": True, "editable": False}
SOURCES = {"file": "metadata"}  # all others have kept their words


def with_source(stated: dict[str, Any]) -> dict[str, Any]:
    """The statement with "source" instead of "origin", which was "drawn:PIXELS:ERROR:LENGTH" of a line."""
    source, *line = str(stated["origin"] or "").split(":", 3)
    others = {name: value for name, value in stated.items() if name != "origin"}
    fields = dict(zip(("pixels", "error", "length"), line, strict=True)) if len(line) == 3 else {}
    return others | {"source": SOURCES.get(source, source) or None} | fields


def rename(apps: Any, schema_editor: Any) -> None:
    for name in ("Job", "Micrograph"):
        for row in apps.get_model("segmentation", name).objects.filter(asked__has_key="origin").iterator():
            row.asked = with_source(row.asked)
            row.save(update_fields=["asked"])


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("segmentation", "0001_initial"),
    ]

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        django.db.models.deletion.CASCADE,
        primary_key=True,
        related_name="laboratory",
        serialize=False,
    )
    operations = [
        migrations.CreateModel("Laboratory", [("owner", owner), ("texts", models.JSONField(default=dict))]),
        migrations.AddField("exportjob", "figures", models.JSONField(default=list, db_default=[], **INTERNAL)),
        migrations.AddField("micrograph", "pages", models.CharField(max_length=100, default="", db_default="", **INTERNAL)),
        migrations.RunPython(rename, migrations.RunPython.noop),
    ]
