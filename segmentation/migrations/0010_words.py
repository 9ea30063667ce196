from django.db import migrations

ATTEMPTED = ("Job", "Micrograph", "Sample")


class Migration(migrations.Migration):
    """The columns are called by the field's words."""

    dependencies = [("segmentation", "0009_segmentations")]

    operations = [
        *(migrations.RenameField(model, "rung", "enqueued") for model in ATTEMPTED),
        *(migrations.RenameField(model, "losses", "deaths") for model in ATTEMPTED),
    ]
