import logging
import uuid

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


class Migration(migrations.Migration):
    """From the rows of the first released version to those of 629a0a7. They have a transaction of their own:
    PostgreSQL does not alter a table after one of its rows was changed twice in the same transaction."""

    replaces = [("segmentation", name) for name in ("0009_segmentations", "0012_no_assumed_scale")]
    dependencies = [("segmentation", "0006_squashed_0011_answered")]

    operations = [
        migrations.RunPython(each, migrations.RunPython.noop) for each in (count_against_uploader, of_jobs, carry_over)
    ]
