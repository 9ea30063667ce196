"""A file beside several images is stored once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0006_rows_that_the_tidying_looks_for")]
    fields = [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("micrograph", models.UUIDField(db_index=True, editable=False)),
        ("name", models.CharField(max_length=150, editable=False)),
        ("sha256", models.CharField(max_length=64, db_index=True, editable=False)),
        ("file", models.FileField(upload_to="", max_length=200, db_index=True, editable=False)),
        ("size", models.BigIntegerField("size in bytes", editable=False)),
    ]
    operations = [migrations.CreateModel("SideFile", fields)]
