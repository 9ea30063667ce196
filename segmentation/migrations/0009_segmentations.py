import logging
import uuid

import django.db.models.deletion
import django.utils.timezone
from django.core.files.storage import default_storage
from django.db import migrations, models, transaction

logger = logging.getLogger(__name__)
NAME = "segmentation.npz"
MEASURING = ("filter", "edge", "calibration", "task")


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


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0008_micrographs")]

    operations = [
        migrations.RenameField("Job", "recipe", "settings"),
        migrations.RenameField("Sample", "recipe", "settings"),
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
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="segmentations",
                        to="segmentation.micrograph",
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="corrections",
                        to="segmentation.segmentation",
                    ),
                ),
            ],
            options={"ordering": ["-created"]},
        ),
        migrations.AddField(
            model_name="job",
            name="segmentation",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="jobs",
                to="segmentation.segmentation",
            ),
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
    ]
