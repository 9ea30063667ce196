"""A result is measured in its place after corrections; what is signed, shared or was measured as a version is fixed."""

from django.db import migrations, models
from django.db.models import Q
from django.utils import timezone


def fix_versions(apps, schema_editor):
    """Results of earlier versions stay what they are: signed ones, those with a private link, and those whose
    corrections are measured by another."""
    job, link = apps.get_model("segmentation", "Job"), apps.get_model("segmentation", "Link")
    measured = job.objects.filter(corrects__isnull=False, parent__isnull=False).values("parent")
    linked = link.objects.exclude(number="").values("pk")
    job.objects.filter(~Q(signature_hash="") | Q(pk__in=measured) | Q(pk__in=linked)).update(fixed=True)


class Migration(migrations.Migration):
    measuring = [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("attempt", models.PositiveIntegerField(default=0, editable=False)),
        ("deaths", models.PositiveSmallIntegerField(default=0, editable=False)),
        ("faults", models.PositiveSmallIntegerField(default=0, editable=False)),
        ("due", models.DateTimeField(blank=True, editable=False, null=True)),
        ("stage", models.CharField(blank=True, max_length=100)),
        ("progress", models.FloatField(default=0.0)),
        ("error", models.TextField(blank=True)),
        ("enqueued", models.DateTimeField(blank=True, editable=False, null=True)),
        ("message", models.CharField(blank=True, default="", editable=False, max_length=64)),
        ("started", models.DateTimeField(blank=True, editable=False, null=True)),
        ("heartbeat", models.DateTimeField(blank=True, editable=False, null=True)),
        ("finished", models.DateTimeField(blank=True, editable=False, null=True)),
        (
            "state",
            models.CharField(
                choices=[("queued", "waiting"), ("running", "running"), ("done", "done"), ("failed", "failed")],
                db_index=True,
                default="queued",
                max_length=10,
            ),
        ),
        ("created", models.DateTimeField(default=timezone.now, editable=False)),
        ("step", models.PositiveIntegerField(default=0, editable=False)),
        ("large", models.BooleanField(default=False, editable=False)),
        ("job", models.OneToOneField("segmentation.Job", models.CASCADE, related_name="measuring")),
    ]
    indexes = [
        models.Index(fields=["started"], name="segmentatio_started_5f9b52_idx"),
        models.Index(condition=Q(finished=None), fields=["state"], name="measuring_unfinished"),
    ]
    dependencies = [("segmentation", "0007_side_files")]
    operations = [
        migrations.AddField("job", "step", models.PositiveIntegerField(db_default=0, default=0, editable=False)),
        migrations.AddField("job", "fixed", models.BooleanField(db_default=False, default=False, editable=False)),
        migrations.AddField("job", "title", models.CharField(blank=True, db_default="", default="", max_length=80)),
        migrations.CreateModel("Measuring", measuring, {"ordering": ["-created"], "indexes": indexes}),
        migrations.RunPython(fix_versions, migrations.RunPython.noop),
    ]
