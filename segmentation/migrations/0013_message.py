from django.db import migrations, models

MESSAGE = models.CharField(blank=True, default="", editable=False, max_length=64)


class Migration(migrations.Migration):
    """A row names the message for which it was claimed: so the worker knows which row a dead child worked on."""

    dependencies = [("segmentation", "0009_squashed_0012_no_assumed_scale")]

    operations = [migrations.AddField(model, "message", MESSAGE) for model in ("job", "micrograph", "sample")]
