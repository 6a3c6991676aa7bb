from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telegram", "0009_second_factor")]

    operations = [
        migrations.RemoveIndex("outboxmessage", "outbox_claim"),
        migrations.AddIndex(
            "outboxmessage",
            models.Index(fields=["state", "priority", "place", "id", "person"], name="outbox_claim"),
        ),
    ]
