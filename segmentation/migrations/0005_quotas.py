"""How much people and groups may use; and the analyses of a day, which count even where they are deleted."""

from django.conf import settings
from django.db import migrations, models

EMPTY = {"null": True, "blank": True}
OF_ONE = {"on_delete": models.CASCADE, "related_name": "+", **EMPTY}


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("segmentation", "0004_outlines_as_they_arrive"),
    ]
    fields = [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("stored_gb", models.PositiveIntegerField("stored GB", **EMPTY)),
        ("megapixels_a_day", models.PositiveIntegerField("megapixels a day", **EMPTY)),
        ("user", models.OneToOneField(settings.AUTH_USER_MODEL, **OF_ONE)),
        ("group", models.OneToOneField("auth.group", **OF_ONE)),
    ]
    of_one = models.CheckConstraint(
        condition=models.Q(user=None, group__isnull=False) | models.Q(user__isnull=False, group=None),
        name="quota_of_a_user_or_a_group",
        violation_error_message="Choose a user or a group.",
    )
    operations = [
        migrations.AddField("arrival", "job", models.UUIDField(null=True, unique=True, editable=False)),
        migrations.AddField(
            "arrival", "pixels", models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
        ),
        migrations.CreateModel("Quota", fields, {"constraints": [of_one]}),
    ]
