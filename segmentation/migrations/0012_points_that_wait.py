"""Points of control charts that count only after a person agrees."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('segmentation', '0011_methods'),
    ]

    operations = [
        migrations.AddField(
            model_name='chartpoint',
            name='agreed_by',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=150),
        ),
        migrations.AddField(
            model_name='chartpoint',
            name='waits',
            field=models.TextField(blank=True, db_default='', default='', editable=False),
        ),
    ]
