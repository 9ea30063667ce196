"""The outlines of an analysis that is under way, on its row, in place of a preview before it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0003_size_of_edits")]
    operations = [
        migrations.AddField("job", "early", models.JSONField(blank=True, default=dict, editable=False)),
        migrations.DeleteModel("OutlinePreview"),
    ]
