"""Methods of a laboratory with their control charts and studies, limits and reference materials of results."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0011_update_proxy_permissions'),  # no later one is needed
        ('segmentation', '0010_numbers_before_files'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ControlChart',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('plan', models.JSONField()),
                ('reference', models.JSONField(blank=True, default=dict)),
                ('created', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'verbose_name': 'control chart',
                'ordering': ['created'],
            },
        ),
        migrations.AddField(
            model_name='job',
            name='agreed_by',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=150),
        ),
        migrations.AddField(
            model_name='job',
            name='reference',
            field=models.JSONField(blank=True, db_default={}, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='job',
            name='specification',
            field=models.JSONField(blank=True, db_default={}, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='job',
            name='waits',
            field=models.TextField(blank=True, db_default='', default='', editable=False),
        ),
        migrations.AddField(
            model_name='sample',
            name='closed',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='sample',
            name='closed_by',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=150),
        ),
        migrations.AddField(
            model_name='sample',
            name='closed_reason',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=500),
        ),
        migrations.AddField(
            model_name='sample',
            name='reference',
            field=models.JSONField(blank=True, db_default={}, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='sample',
            name='specification',
            field=models.JSONField(blank=True, db_default={}, default=dict, editable=False),
        ),
        migrations.CreateModel(
            name='ChartReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt', models.PositiveIntegerField(default=0, editable=False)),
                ('deaths', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('faults', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('due', models.DateTimeField(blank=True, editable=False, null=True)),
                ('stage', models.CharField(blank=True, max_length=100)),
                ('progress', models.FloatField(default=0.0)),
                ('error', models.TextField(blank=True)),
                ('enqueued', models.DateTimeField(blank=True, editable=False, null=True)),
                ('message', models.CharField(blank=True, default='', editable=False, max_length=64)),
                ('started', models.DateTimeField(blank=True, editable=False, null=True)),
                ('heartbeat', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished', models.DateTimeField(blank=True, editable=False, null=True)),
                ('state', models.CharField(choices=[('queued', 'waiting'), ('running', 'running'), ('done', 'done'), ('failed', 'failed')], db_index=True, default='queued', max_length=10)),
                ('created', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('month', models.DateField()),
                ('content', models.CharField(editable=False, max_length=64, unique=True)),
                ('pdf', models.BinaryField(blank=True, default=bytes)),
                ('chart', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reports', to='segmentation.controlchart')),
            ],
            options={
                'ordering': ['-created'],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Method',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=150)),
                ('created', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='auth.group')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name', 'created'],
                'permissions': [('approve_method', 'Can approve and withdraw versions of methods')],
            },
        ),
        migrations.AddField(
            model_name='controlchart',
            name='method',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='charts', to='segmentation.method'),
        ),
        migrations.CreateModel(
            name='MethodVersion',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('description', models.JSONField()),
                ('checksum', models.CharField(max_length=64, verbose_name='SHA-256 of the description')),
                ('state', models.CharField(choices=[('draft', 'draft'), ('approved', 'approved'), ('withdrawn', 'withdrawn')], db_index=True, default='draft', max_length=10)),
                ('author', models.CharField(max_length=150)),
                ('created', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('approver', models.CharField(blank=True, default='', max_length=150, verbose_name='approved by')),
                ('approver_name', models.CharField(blank=True, default='', max_length=150)),
                ('approved', models.DateTimeField(blank=True, null=True)),
                ('withdrawn_by', models.CharField(blank=True, default='', max_length=150)),
                ('withdrawn', models.DateTimeField(blank=True, null=True)),
                ('reason', models.CharField(blank=True, default='', max_length=500)),
                ('method', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='segmentation.method')),
            ],
            options={
                'ordering': ['method', '-number'],
            },
        ),
        migrations.AddField(
            model_name='job',
            name='method',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='jobs', to='segmentation.methodversion'),
        ),
        migrations.AddField(
            model_name='sample',
            name='method',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='samples', to='segmentation.methodversion'),
        ),
        migrations.CreateModel(
            name='Reference',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('visitor', models.UUIDField(blank=True, db_index=True, editable=False, null=True)),
                ('address', models.CharField(blank=True, db_index=True, default='', editable=False, max_length=64)),
                ('created', models.DateTimeField(db_index=True, default=django.utils.timezone.now, editable=False)),
                ('name', models.CharField(max_length=200)),
                ('material', models.JSONField()),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='auth.group')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created'],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Study',
            fields=[
                ('attempt', models.PositiveIntegerField(default=0, editable=False)),
                ('deaths', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('faults', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('due', models.DateTimeField(blank=True, editable=False, null=True)),
                ('stage', models.CharField(blank=True, max_length=100)),
                ('progress', models.FloatField(default=0.0)),
                ('error', models.TextField(blank=True)),
                ('enqueued', models.DateTimeField(blank=True, editable=False, null=True)),
                ('message', models.CharField(blank=True, default='', editable=False, max_length=64)),
                ('started', models.DateTimeField(blank=True, editable=False, null=True)),
                ('heartbeat', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished', models.DateTimeField(blank=True, editable=False, null=True)),
                ('state', models.CharField(choices=[('queued', 'waiting'), ('running', 'running'), ('done', 'done'), ('failed', 'failed')], db_index=True, default='queued', max_length=10)),
                ('created', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('title', models.CharField(max_length=150)),
                ('author', models.CharField(max_length=150)),
                ('quantity', models.CharField(max_length=100)),
                ('names', models.JSONField()),
                ('rows', models.JSONField()),
                ('result', models.JSONField(blank=True, default=dict)),
                ('pdf', models.BinaryField(blank=True, null=True)),
                ('method', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='studies', to='segmentation.method')),
            ],
            options={
                'ordering': ['-created'],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ChartPoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=150)),
                ('version', models.PositiveIntegerField()),
                ('measured', models.DateTimeField(db_index=True)),
                ('value', models.FloatField()),
                ('departures', models.JSONField(blank=True, default=list)),
                ('note', models.CharField(blank=True, default='', max_length=500)),
                ('excluded', models.CharField(blank=True, default='', max_length=500)),
                ('sent_rules', models.JSONField(blank=True, default=list)),
                ('job', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='chart_points', to='segmentation.job')),
                ('sample', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='chart_points', to='segmentation.sample')),
                ('chart', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='points', to='segmentation.controlchart')),
            ],
            options={
                'ordering': ['measured', 'pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('sample', None)), fields=('chart', 'job'), name='one_point_of_a_job'), models.UniqueConstraint(condition=models.Q(('job', None)), fields=('chart', 'sample'), name='one_point_of_a_sample')],
            },
        ),
        migrations.AddConstraint(
            model_name='method',
            constraint=models.UniqueConstraint(fields=('group', 'name'), name='one_method_of_a_name_in_a_group'),
        ),
        migrations.AddConstraint(
            model_name='method',
            constraint=models.UniqueConstraint(condition=models.Q(('group', None)), fields=('owner', 'name'), name='one_method_of_a_name'),
        ),
        migrations.AddConstraint(
            model_name='methodversion',
            constraint=models.UniqueConstraint(fields=('method', 'number'), name='one_version_of_a_number'),
        ),
    ]
