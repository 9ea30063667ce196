"""Names of the figures with options that somebody asked for, beside the other files of a result."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0002_laboratory")]

    operations = [
        migrations.AddField("exportjob", "figures", models.JSONField(blank=True, default=list, editable=False)),
    ]
