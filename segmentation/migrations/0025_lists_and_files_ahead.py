"""The newest result of each image is found by one look into an index, for an account with thousands of results, too.
Files of a result may be written before anybody asks for them."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("segmentation", "0024_faults_told_by_mail"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="exportjob",
            name="asked",
            field=models.BooleanField(default=True, editable=False),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["micrograph", "owner", "created"], name="segmentatio_microgr_b54193_idx"),
        ),
    ]
