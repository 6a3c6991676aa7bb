from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):

    dependencies = [
        ('room', '0004_clock_set_back'),
        ('webinars', '0001_initial'),
    ]

    # The table keeps its name, so none of these touches the database.
    operations = [
        migrations.AlterModelTable(name='attention', table='room_attention'),
        migrations.RenameModel(old_name='Attention', new_name='SpeakerPageSeen'),
        migrations.AlterField(
            model_name='speakerpageseen',
            name='webinar',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='webinars.webinar'),
        ),
    ]
