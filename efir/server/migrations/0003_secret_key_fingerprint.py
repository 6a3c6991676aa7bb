from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the fingerprint of the secret key. The next start writes it, because a migration knows no key."""

    dependencies = [
        ('ops', '0002_worker_heartbeat'),
    ]

    operations = [
        migrations.CreateModel(
            name='SecretKeyFingerprint',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('fingerprint', models.CharField(max_length=64)),
                ('set_at', models.DateTimeField()),
            ],
        ),
    ]
