from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('telegram', '0004_moved_chats'),
    ]

    operations = [
        migrations.AddField(
            model_name='dispatcherstate',
            name='clock_back_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='dispatcherstate',
            name='is_rejected',
            field=models.BooleanField(db_default=True, default=True),
        ),
    ]
