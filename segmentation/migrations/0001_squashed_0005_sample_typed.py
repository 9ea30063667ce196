import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import segmentation.models


def owned():
    return [
        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
        ("visitor", models.UUIDField(blank=True, db_index=True, editable=False, null=True)),
        ("created", models.DateTimeField(db_index=True, default=django.utils.timezone.now, editable=False)),
        ("owner", foreign(settings.AUTH_USER_MODEL, related_name="+")),
    ]


def attempted():
    return [
        ("attempt", models.PositiveIntegerField(default=0, editable=False)),
        ("losses", models.PositiveSmallIntegerField(default=0, editable=False)),
        ("stage", models.CharField(blank=True, max_length=100)),
        ("progress", models.FloatField(default=0.0)),
        ("error", models.TextField(blank=True)),
        *((name, models.DateTimeField(blank=True, editable=False, null=True)) for name in TIMES),
    ]


def stored(of, constraint):
    """The model of the files that belong to a row."""
    return {
        "fields": [
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("attempt", models.PositiveIntegerField()),
            ("name", models.CharField(max_length=50)),
            ("file", models.FileField(max_length=200, upload_to="")),
            ("size", models.BigIntegerField(verbose_name="size in bytes")),
            ("content_type", models.CharField(max_length=100)),
            (
                of,
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="artifacts",
                    to=f"segmentation.{of}",
                ),
            ),
        ],
        "options": {
            "ordering": ["name"],
            "constraints": [models.UniqueConstraint(fields=(of, "name"), name=constraint)],
        },
    }


def foreign(to, on_delete=django.db.models.deletion.CASCADE, **said):
    return models.ForeignKey(blank=True, null=True, on_delete=on_delete, to=to, **said)


TIMES = ("rung", "started", "heartbeat", "finished")
STATES = [(name, name) for name in ("running", "done", "failed")]
WAITING, QUEUED, CANCELLED = ("waiting", "images under way"), ("queued", "waiting"), ("cancelled", "cancelled")
POOLING = [("running", "pooling"), *STATES[1:]]
RULES = [
    ("own", "each image's own scale; where it has none, the width given"),
    ("width", "one image width for all"),
    ("pixel", "one pixel size for all"),
]


class Migration(migrations.Migration):
    """The first released version, 9719d7d."""

    initial = True
    replaces = [
        ("segmentation", name)
        for name in ("0001_initial", "0002_reading", "0003_samples", "0004_content_type", "0005_sample_typed")
    ]
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Upload",
            fields=[
                *owned(),
                ("file", models.FileField(max_length=200, upload_to=segmentation.models.upload_path)),
                ("preview", models.FileField(max_length=200, upload_to=segmentation.models.preview_path)),
                ("name", models.CharField(max_length=162)),
                ("sha256", models.CharField(db_index=True, max_length=64)),
                ("size", models.BigIntegerField(verbose_name="size in bytes")),
                ("kind", models.CharField(blank=True, max_length=100)),
                ("width", models.PositiveIntegerField(verbose_name="width in px")),
                ("height", models.PositiveIntegerField(verbose_name="height in px")),
                ("calibration", models.JSONField(default=dict)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("notes", models.JSONField(blank=True, default=list)),
                ("data_bar", models.PositiveIntegerField(blank=True, null=True)),
                ("address", models.CharField(blank=True, db_index=True, editable=False, max_length=64)),
                ("reading", models.JSONField(blank=True, default=dict)),
                ("side", models.JSONField(blank=True, default=list)),
            ],
            options={"ordering": ["-created"]},
        ),
        migrations.CreateModel(
            name="Sample",
            fields=[
                *owned(),
                *attempted(),
                ("name", models.CharField(max_length=150)),
                ("recipe", models.JSONField()),
                ("rule", models.CharField("calibration", choices=RULES, default="own", max_length=10)),
                ("value", models.FloatField("nm", blank=True, null=True)),
                ("typed", models.CharField("as typed", blank=True, default="", max_length=100)),
                ("assumed", models.BooleanField(default=False)),
                ("notes", models.JSONField(blank=True, default=list)),
                (
                    "state",
                    models.CharField(
                        choices=[WAITING, QUEUED, *POOLING], db_index=True, default="waiting", max_length=10
                    ),
                ),
                ("pooled", models.JSONField(blank=True, default=dict)),
                ("submission", models.CharField(editable=False, max_length=64, unique=True)),
            ],
            options={"ordering": ["-created"]},
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                *owned(),
                *attempted(),
                ("recipe", models.JSONField()),
                ("model_name", models.CharField("model", db_index=True, max_length=100)),
                ("submission", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[QUEUED, *STATES, CANCELLED], db_index=True, default="queued", max_length=10
                    ),
                ),
                ("queued", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("summary", models.JSONField(blank=True, default=dict)),
                ("included", models.BooleanField(default=True)),
                ("parent", foreign("segmentation.job", django.db.models.deletion.SET_NULL, related_name="reruns")),
                ("sample", foreign("segmentation.sample", related_name="jobs")),
                (
                    "upload",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="jobs", to="segmentation.upload"
                    ),
                ),
            ],
            options={
                "ordering": ["-created"],
                "indexes": [models.Index(fields=["state", "queued"], name="segmentatio_state_96865b_idx")],
            },
        ),
        migrations.CreateModel(name="Artifact", **stored("job", "one_artifact_of_a_name")),
        migrations.CreateModel(name="SampleArtifact", **stored("sample", "one_sample_artifact_of_a_name")),
    ]
