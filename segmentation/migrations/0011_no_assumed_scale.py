from django.db import migrations


def forget_assumed_widths(apps, schema_editor):
    """What rests on the default width, which nobody stated, is measured in pixels from now on.

    Finished results keep their numbers and the word "default" beside them, by which pages know what not to show.
    """
    job, sample = (apps.get_model("segmentation", name) for name in ("Job", "Sample"))
    changed = []
    for each in job.objects.filter(settings__calibration__source="default").only("settings").iterator(500):
        each.settings["calibration"] = None
        changed.append(each)
    job.objects.bulk_update(changed, ["settings"], batch_size=500)
    sample.objects.filter(assumed=True).update(value=None, typed="")


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0010_words")]

    operations = [
        migrations.RunPython(forget_assumed_widths, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField("sample", "assumed"),
    ]
