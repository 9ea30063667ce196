"""How much the corrections of a result take in the database."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0002_version_1_1")]

    operations = [
        migrations.AddField(
            "job", "edit_bytes", models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
        ),
    ]
