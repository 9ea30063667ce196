"""Limits and the reference material of results, and the list of reference materials."""

import uuid

import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def judged():
    return models.JSONField(blank=True, db_default={}, default=dict, editable=False)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("segmentation", "0010_numbers_before_files"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        *(
            migrations.AddField(kind, name, judged())
            for kind in ("job", "sample")
            for name in ("specification", "reference")
        ),
        migrations.CreateModel(
            "Reference",
            [
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("visitor", models.UUIDField(blank=True, db_index=True, editable=False, null=True)),
                ("address", models.CharField(blank=True, db_index=True, default="", editable=False, max_length=64)),
                ("created", models.DateTimeField(db_index=True, default=django.utils.timezone.now, editable=False)),
                ("name", models.CharField(max_length=200)),
                ("material", models.JSONField()),
                (
                    "group",
                    models.ForeignKey("auth.Group", models.SET_NULL, blank=True, null=True, related_name="+"),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL, models.CASCADE, blank=True, null=True, related_name="+"
                    ),
                ),
            ],
            options={"ordering": ["-created"], "abstract": False},
        ),
    ]
