from django.db import migrations, models
from django.utils import timezone

FILE = models.FileField(blank=True, default="", editable=False, max_length=200, upload_to="")
STATES = [("queued", "waiting"), ("running", "running"), ("done", "done"), ("failed", "failed")]


class Migration(migrations.Migration):
    """Of a result only what its page shows is stored; an export writes the rest. A micrograph has its own picture."""

    dependencies = [("segmentation", "0013_message")]

    operations = [
        migrations.RemoveField("job", "answered"),
        migrations.AddField("micrograph", "viewer_image", FILE),
        migrations.AddField("micrograph", "viewer_tiles", FILE),
        migrations.AddField(
            "micrograph",
            "viewer_size",
            models.BigIntegerField("size of the viewer's files in bytes", default=0, editable=False),
        ),
        migrations.CreateModel(
            "ExportJob",
            [
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
                ("state", models.CharField(choices=STATES, db_index=True, default="queued", max_length=10)),
                ("created", models.DateTimeField(default=timezone.now, editable=False)),
                (
                    "job",
                    models.OneToOneField(
                        on_delete=models.deletion.CASCADE, related_name="export", to="segmentation.job"
                    ),
                ),
            ],
            options={"ordering": ["-created"]},
        ),
    ]
