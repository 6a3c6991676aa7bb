from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('room', '0007_watching'),
    ]

    operations = [
        migrations.AddField(
            model_name='recorder',
            name='skipped_from',
            field=models.DateTimeField(null=True),
        ),
    ]
