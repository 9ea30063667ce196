import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def of_samples(apps, schema_editor):
    apps.get_model("segmentation", "Sample").objects.filter(assumed=True).update(value=None, typed="")


def word():
    return models.CharField(blank=True, default="", editable=False, max_length=64)


def moment():
    return models.DateTimeField(blank=True, editable=False, null=True)


def count(kind=models.PositiveSmallIntegerField):
    return kind(default=0, editable=False)


def address():
    return models.CharField(blank=True, db_index=True, default="", editable=False, max_length=64)


def said():
    return models.JSONField(blank=True, default=dict, editable=False)


def state(default):
    return models.CharField(choices=STATES, db_index=True, default=default, max_length=10)


def foreign(to, on_delete, **more):
    return models.ForeignKey(blank=True, null=True, on_delete=on_delete, to=f"segmentation.{to}", **more)


CASCADE, SET_NULL = django.db.models.deletion.CASCADE, django.db.models.deletion.SET_NULL
STATES = [
    ("receiving", "arriving"),
    ("queued", "waiting to be read"),
    ("running", "being read"),
    ("done", "read"),
    ("failed", "cannot be read"),
]
NEW = {
    "job": {
        "address": address(),
        "asked": said(),
        "content": word(),
        "due": moment(),
        "faults": count(),
        "ready": models.BooleanField(default=True, editable=False),
        "answered": moment(),
        "ends": moment(),
        "segmentation": foreign("segmentation", SET_NULL, editable=False, related_name="jobs"),
    },
    "sample": {"address": address(), "content": word(), "due": moment(), "faults": count()},
    "micrograph": {
        "archive": foreign("micrograph", SET_NULL, related_name="images"),
        "asked": said(),
        "attempt": count(models.PositiveIntegerField),
        "deaths": count(),
        "due": moment(),
        "enqueued": moment(),
        "error": models.TextField(blank=True),
        "faults": count(),
        "finished": moment(),
        "heartbeat": moment(),
        "is_archive": models.BooleanField(default=False, editable=False),
        "progress": models.FloatField(default=0.0),
        "read_bar": models.BooleanField(default=True, editable=False),
        "sample": foreign("sample", CASCADE, editable=False, related_name="arriving"),
        "stage": models.CharField(blank=True, max_length=100),
        "started": moment(),
        "state": state("done"),  # what is there already has been looked into
    },
}
NOW = {
    "state": state("receiving"),
    "address": address(),
    "height": models.PositiveIntegerField(default=0, verbose_name="height in px"),
    "width": models.PositiveIntegerField(default=0, verbose_name="width in px"),
}


class Migration(migrations.Migration):
    """From the tables of the first released version to those of 629a0a7."""

    replaces = [
        ("segmentation", name)
        for name in (
            *("0006_inspected_by_workers", "0007_arrivals", "0008_micrographs", "0010_words", "0011_answered"),
        )
    ]
    dependencies = [("segmentation", "0001_squashed_0005_sample_typed")]

    operations = [
        migrations.RunPython(of_samples, migrations.RunPython.noop),
        migrations.RemoveField("sample", "assumed"),
        migrations.RenameModel("Upload", "Micrograph"),
        migrations.RenameField("job", "upload", "micrograph"),
        *(
            migrations.RenameField(model, old, new)
            for model in ("job", "sample")
            for old, new in (("recipe", "settings"), ("rung", "enqueued"), ("losses", "deaths"))
        ),
        migrations.CreateModel(
            name="Arrival",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("visitor", models.UUIDField(blank=True, db_index=True, editable=False, null=True)),
                ("address", address()),
                ("created", models.DateTimeField(db_index=True, default=django.utils.timezone.now, editable=False)),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Segmentation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("task", models.CharField(max_length=100)),
                ("model_name", models.CharField(db_index=True, max_length=100, verbose_name="model")),
                ("weights", models.CharField(max_length=64, verbose_name="SHA-256 of the weights")),
                ("provenance", models.JSONField(default=dict)),
                ("file", models.FileField(max_length=200, upload_to="")),
                ("size", models.BigIntegerField(verbose_name="size in bytes")),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "micrograph",
                    models.ForeignKey(on_delete=CASCADE, related_name="segmentations", to="segmentation.micrograph"),
                ),
                ("parent", foreign("segmentation", SET_NULL, related_name="corrections")),
            ],
            options={"ordering": ["-created"]},
        ),
        *(migrations.AddField(model, name, field) for model, fields in NEW.items() for name, field in fields.items()),
        *(migrations.AlterField("micrograph", name, field) for name, field in NOW.items()),
    ]
