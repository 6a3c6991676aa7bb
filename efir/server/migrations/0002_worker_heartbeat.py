from django.db import migrations


class Migration(migrations.Migration):
    """Rename WorkerBeat to WorkerHeartbeat; the table keeps its name."""

    dependencies = [
        ('ops', '0001_initial'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel('WorkerBeat', 'WorkerHeartbeat'),
                migrations.AlterModelTable('WorkerHeartbeat', 'ops_workerbeat'),
            ],
        ),
    ]
