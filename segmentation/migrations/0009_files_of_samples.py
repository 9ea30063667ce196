"""The files of a sample are written when somebody asks for them, as those of an image."""

from django.db import migrations, models


def of(kind):
    return models.OneToOneField(f"segmentation.{kind}", models.CASCADE, null=True, related_name="export")


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0008_steps")]
    operations = [
        migrations.AlterField("exportjob", "job", of("Job")),
        migrations.AddField("exportjob", "sample", of("Sample")),
    ]
