"""Fill an installation with the data of every screenshot: `python -m tests.support.screenshot_data`.

Each table that the screenshots leave empty gets one row made up from its columns, so that the tests of backups read
and write every table, including those that are added later.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any
from uuid import uuid4

import django


def fill() -> None:
    from django.db import models, transaction

    from efir.accounts.models import Person
    from efir.importing.models import ImportedRecord
    from efir.lib import clock
    from efir.ops.backup.tables import applied_migrations, models_at
    from efir.server import secret_key
    from efir.server.models import DemoMark
    from tools.screenshots.fixtures import evening
    from tools.screenshots.state import NOW

    # The mark of the demo: with it no installation starts.
    left_empty: set[str] = {DemoMark._meta.db_table}

    def made_up(field: models.Field[Any, Any]) -> Any:
        if isinstance(field, models.ForeignKey):
            return field.related_model._base_manager.values_list("pk", flat=True).first()
        if field.has_default():
            return field.get_default()
        by_kind = {
            models.DateTimeField: NOW,
            models.UUIDField: uuid4(),
            models.BooleanField: False,
            models.GenericIPAddressField: "192.0.2.1",
            models.IntegerField: 1,
            models.FloatField: 1.5,
            models.JSONField: {"й": [1, None, "ё"]},
            models.BinaryField: b"\x00\xff",
            models.DurationField: timedelta(seconds=1),
        }
        for kind, value in by_kind.items():
            if isinstance(field, kind):
                return value
        return ("x" * (field.max_length or 3))[:20]

    with clock.replaced(lambda: NOW):
        evening()
        # A made-up row would be of a person and of a webinar, which the table refuses.
        ImportedRecord.objects.create(
            source="example.org", foreign_id="17", person=Person.objects.earliest("pk")
        )
    secret_key.confirm()
    with transaction.atomic():
        for model in models_at(applied_migrations()):
            if model._meta.db_table in left_empty or model._base_manager.exists():
                continue
            values = {
                field.attname: made_up(field)
                for field in model._meta.concrete_fields
                if not isinstance(field, models.AutoField)
            }
            model._base_manager.bulk_create([model(**values)])


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "efir.settings"
    django.setup()
    from efir.server.migrate import migrate

    migrate()
    fill()
