import logging
import uuid

import django.db.models.deletion
import django.utils.timezone
from django.core.files.storage import default_storage
from django.db import migrations, models

logger = logging.getLogger(__name__)
NAME = "segmentation.npz"
MEASURING = ("filter", "edge", "calibration", "task")


def carry_over(apps, schema_editor):
    """What was found becomes a row of its own, and its file moves out of the folder of the job that found it.

    A file that cannot be carried over stays where it is: its job is then segmented anew where that is needed.
    """
    Artifact = apps.get_model("segmentation", "Artifact")
    Segmentation = apps.get_model("segmentation", "Segmentation")
    stored = Artifact.objects.filter(name=NAME, job__state="done").select_related("job__micrograph")
    for artifact in stored.iterator():
        job, old = artifact.job, artifact.file.name
        found = Segmentation(micrograph=job.micrograph, task="particles", size=artifact.size, created=job.created)
        found.provenance = provenance(job)
        found.model_name = found.provenance["card"].get("name", "")
        found.weights = found.provenance["card"].get("sha256", "")
        try:
            with default_storage.open(old, "rb") as file:
                found.file = default_storage.save(f"segmentations/{found.pk}/{NAME}", file)
            found.size = default_storage.size(found.file.name)
        except Exception:
            logger.warning("%s of job %s cannot be carried over.", NAME, job.pk, exc_info=True)
            continue
        found.save()
        apps.get_model("segmentation", "Job").objects.filter(pk=job.pk).update(segmentation=found)
        Artifact.objects.filter(pk=artifact.pk).update(file=found.file.name)
        default_storage.delete(old)


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
