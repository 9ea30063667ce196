"""The outlines of an analysis that is under way, on its row, in place of a preview before it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0003_size_of_edits")]
    operations = [
        migrations.AddField("job", "early", models.JSONField(default=dict, db_default={}, blank=True, editable=False)),
        migrations.RunSQL("DROP TABLE IF EXISTS segmentation_outlinepreview", migrations.RunSQL.noop),  # never released
    ]
