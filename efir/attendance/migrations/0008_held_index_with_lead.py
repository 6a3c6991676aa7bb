from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("attendance", "0007_classification_chunks")]

    operations = [
        migrations.RemoveIndex(model_name="verdict", name="verdict_held"),
        migrations.AddIndex(
            model_name="verdict",
            index=models.Index(
                condition=models.Q(attended=None), fields=["webinar", "lead"], name="verdict_held"
            ),
        ),
    ]
