import logging
import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import migrations, models, transaction

logger = logging.getLogger(__name__)
NAME = "segmentation.npz"
MEASURING = ("filter", "edge", "calibration", "task")


def count_against_uploader(apps, schema_editor):
    """Until now the jobs of an upload counted against its sender."""
    job, micrograph = apps.get_model("segmentation", "Job"), apps.get_model("segmentation", "Micrograph")
    sender = micrograph.objects.filter(pk=models.OuterRef("micrograph")).values("address")[:1]
    job.objects.update(address=models.Subquery(sender))


def carry_over(apps, schema_editor):
    """What was found becomes a row of its own, and its file moves out of the folder of the job that found it.

    The old files go once all is certain; until then an upgrade that is interrupted, or for which there is no room,
    leaves everything as it was. A file that is gone has no row: its job is segmented anew where that is needed.
    """
    artifacts = apps.get_model("segmentation", "Artifact").objects
    jobs = apps.get_model("segmentation", "Job").objects
    made, copies = {}, []
    try:
        for pk in list(artifacts.filter(name=NAME, job__state="done").values_list("pk", flat=True)):
            artifact = artifacts.select_related("job__micrograph").get(pk=pk)
            old = artifact.file.name
            if old not in made:
                made[old] = carried(apps.get_model("segmentation", "Segmentation"), artifact, copies)
            if made[old] is not None:
                jobs.filter(pk=artifact.job_id).update(segmentation=made[old])
                artifacts.filter(pk=pk).update(file=made[old].file.name)
    except BaseException:
        for name in copies:
            default_storage.delete(name)
        raise
    moved = [old for old, found in made.items() if found is not None and found.file.name != old]
    transaction.on_commit(lambda: [default_storage.delete(old) for old in moved], schema_editor.connection.alias)


def carried(kind, artifact, copies):
    """The stored row of an artifact's file; None where the file is gone. copies: files that are made on the way."""
    job, old = artifact.job, artifact.file.name
    found = kind(micrograph=job.micrograph, task="particles", created=job.created, provenance=provenance(job))
    found.model_name = found.provenance["card"].get("name", "")
    found.weights = found.provenance["card"].get("sha256", "")
    if old.startswith("segmentations/"):  # an upgrade that was taken back and is made again
        found.pk, found.file = uuid.UUID(old.split("/")[1]), old
    else:
        try:
            with default_storage.open(old, "rb") as file:
                found.file = default_storage.save(f"segmentations/{found.pk}/{NAME}", file)
        except FileNotFoundError:
            logger.warning("%s of job %s is gone.", NAME, job.pk)
            return None
        copies.append(found.file.name)
    found.size = default_storage.size(found.file.name)
    found.save()
    return found


def provenance(job):
    """As far as the job's row says it: the card was not kept, but its name, title, version and hash."""
    asked = {name: value for name, value in job.settings.items() if name not in MEASURING}
    card = {name: value for name, value in (job.summary.get("model") or {}).items() if value is not None}
    return {
        "micrograph": job.micrograph.sha256,
        "task": "particles",
        "settings": asked,
        "card": card,
        "version": "",
        "parent": "",
        "edits": [],
    }


def of_jobs(apps, schema_editor):
    """What rests on the default width, which nobody stated, is measured in pixels from now on.

    Finished results keep their numbers and the word "default" beside them, by which pages know what not to show.
    """
    job = apps.get_model("segmentation", "Job")
    changed = []
    for each in job.objects.filter(settings__calibration__source="default").only("settings").iterator(500):
        each.settings["calibration"] = None
        changed.append(each)
    job.objects.bulk_update(changed, ["settings"], batch_size=500)


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
    """From the first released version to 629a0a7. PostgreSQL alters no table whose rows wait for a check of their
    foreign keys, so what fills rows with them comes last."""

    replaces = [
        ("segmentation", name)
        for name in (
            *("0006_inspected_by_workers", "0007_arrivals", "0008_micrographs", "0009_segmentations"),
            *("0010_words", "0011_answered", "0012_no_assumed_scale"),
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
        migrations.RunPython(count_against_uploader, migrations.RunPython.noop),
        migrations.RunPython(of_jobs, migrations.RunPython.noop),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
    ]
