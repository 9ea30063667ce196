"""The numbers of a corrected result are shown while its files are still made."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0009_files_of_samples")]
    operations = [
        migrations.AddField(
            "measuring", "summary", models.JSONField(blank=True, db_default={}, default=dict, editable=False)
        ),
    ]
