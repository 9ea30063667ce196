"""Charts are printed from their page: the PDF of a month is gone."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('segmentation', '0013_record'),
    ]

    operations = [
        migrations.DeleteModel(name='ChartReport'),
    ]
