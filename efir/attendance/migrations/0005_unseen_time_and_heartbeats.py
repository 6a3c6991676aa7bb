from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("attendance", "0004_rename_unknown_reasons"),
    ]

    operations = [
        migrations.AddField(
            model_name="classification",
            name="heartbeats",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="verdict",
            name="unseen",
            field=models.JSONField(null=True),
        ),
    ]
