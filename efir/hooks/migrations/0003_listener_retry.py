import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Rename OwedCall to ListenerRetry; the table keeps its name."""

    dependencies = [
        ('hooks', '0002_decided_facts'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel('OwedCall', 'ListenerRetry'),
                migrations.AlterModelTable('ListenerRetry', 'hooks_owedcall'),
                migrations.AlterField(
                    'ListenerRetry',
                    'entry',
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='listener_retries', to='hooks.journalentry'),
                ),
            ],
        ),
    ]
