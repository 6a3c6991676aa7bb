from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('telegram', '0005_bot_faults'),
    ]

    operations = [
        migrations.AddField(
            model_name='linktoken',
            name='asked_chat_id',
            field=models.BigIntegerField(null=True),
        ),
    ]
