from django.db import migrations


class Migration(migrations.Migration):
    """What was uploaded is called what it is."""

    dependencies = [("segmentation", "0007_arrivals")]

    operations = [
        migrations.RenameModel("Upload", "Micrograph"),
        migrations.RenameField("Job", "upload", "micrograph"),
    ]
