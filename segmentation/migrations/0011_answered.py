from django.db import migrations, models


class Migration(migrations.Migration):
    """A job answers before its last files are written, and its worker reckons when it ends."""

    dependencies = [("segmentation", "0010_words")]

    operations = [
        migrations.AddField("job", "answered", models.DateTimeField(blank=True, editable=False, null=True)),
        migrations.AddField("job", "ends", models.DateTimeField(blank=True, editable=False, null=True)),
    ]
