"""What the laboratory of an account sets once."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("segmentation", "0001_initial"),
    ]

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        django.db.models.deletion.CASCADE,
        primary_key=True,
        related_name="laboratory",
        serialize=False,
    )
    operations = [migrations.CreateModel("Laboratory", [("owner", owner), ("texts", models.JSONField(default=dict))])]
