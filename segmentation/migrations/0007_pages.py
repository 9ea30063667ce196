from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0006_outline_preview")]
    operations = [
        migrations.AddField(
            "micrograph", "pages", models.CharField(blank=True, default="", editable=False, max_length=100)
        ),
    ]
