from django.db import migrations


def of_jobs(apps, schema_editor):
    """What rests on the default width, which nobody stated, is measured in pixels from now on.

    Finished results keep their numbers and the word "default" beside them, by which pages know what not to show.
    """
    job = apps.get_model("segmentation", "Job")
    changed = []
    for each in job.objects.filter(settings__calibration__source="default").only("settings").iterator(500):
        each.settings["calibration"] = None
        changed.append(each)
    job.objects.bulk_update(changed, ["settings"], batch_size=500)


def of_samples(apps, schema_editor):
    apps.get_model("segmentation", "Sample").objects.filter(assumed=True).update(value=None, typed="")


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0011_answered")]

    operations = [
        migrations.RunPython(of_jobs, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(of_samples, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField("sample", "assumed"),
    ]
