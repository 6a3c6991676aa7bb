from django.db import migrations

RENAMED = {
    "final_grace_unseen": "end_not_recorded",
    "live_time_unseen": "live_time_not_recorded",
}


def rename(apps, schema_editor):
    verdicts = apps.get_model("attendance", "Verdict").objects.using(schema_editor.connection.alias)
    for old, new in RENAMED.items():
        verdicts.filter(why_unknown=old).update(why_unknown=new)


def restore(apps, schema_editor):
    verdicts = apps.get_model("attendance", "Verdict").objects.using(schema_editor.connection.alias)
    for old, new in RENAMED.items():
        verdicts.filter(why_unknown=new).update(why_unknown=old)


class Migration(migrations.Migration):

    dependencies = [
        ('attendance', '0003_held_verdicts'),
    ]

    operations = [migrations.RunPython(rename, restore)]
