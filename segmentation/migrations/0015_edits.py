import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("segmentation", "0014_files_when_asked_for"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="corrects",
            field=models.PositiveIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="edit_count",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="job",
            name="edit_hash",
            field=models.CharField(blank=True, default="", editable=False, max_length=64),
        ),
        migrations.CreateModel(
            name="Edit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sequence", models.PositiveIntegerField()),
                ("author", models.CharField(blank=True, default="", max_length=150)),
                ("visitor", models.UUIDField(blank=True, editable=False, null=True)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("operation", models.JSONField()),
                ("patch", models.JSONField()),
                ("before", models.JSONField()),
                ("undoes", models.PositiveIntegerField(blank=True, null=True)),
                ("previous", models.CharField(blank=True, default="", max_length=64)),
                ("hash", models.CharField(max_length=64)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="edits", to="segmentation.job"
                    ),
                ),
            ],
            options={
                "ordering": ["job", "sequence"],
                "constraints": [models.UniqueConstraint(fields=("job", "sequence"), name="one_edit_of_a_number")],
            },
        ),
    ]
