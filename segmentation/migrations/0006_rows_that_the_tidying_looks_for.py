"""Indexes of the few rows that rescue, queues and tidying look for among a million that ended."""

from django.db import migrations
from django.db.models import Index, Q


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0005_quotas")]
    operations = [
        *(
            migrations.AddIndex(row, Index(fields=["state"], name=f"{row}_unfinished", condition=Q(finished=None)))
            for row in ("job", "micrograph", "exportjob", "proposals")
        ),
        migrations.AddIndex("exportjob", Index(fields=["finished"], name="export_ahead", condition=Q(asked=False))),
        migrations.AddIndex("segmentation", Index(fields=["created"], name="segmentatio_created_b1fcfb_idx")),
    ]
