"""Insert thousands of rows of one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import AutoField, Field, Model
from django.db.models.constants import OnConflict

# Rows in one statement of PostgreSQL.
BATCH = 500


def bulk_insert(rows: Sequence[Model], *, ignore_conflicts: bool = False) -> None:
    """Insert rows of one model; their keys stay unknown. With `ignore_conflicts`, rows that exist already are skipped.

    On SQLite Django's `bulk_create` composes statements of up to 999 values, each value anew: half of what a verdict
    costs. Here one statement is prepared for all rows, and a column's value once as long as it stays the same.
    """
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "sqlite":
        model._default_manager.bulk_create(rows, batch_size=BATCH, ignore_conflicts=ignore_conflicts)
        return
    fields = [field for field in model._meta.local_concrete_fields if not isinstance(field, AutoField)]
    quote = connection.ops.quote_name
    insert = connection.ops.insert_statement(on_conflict=OnConflict.IGNORE if ignore_conflicts else None)
    columns = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f"{insert} {quote(model._meta.db_table)} ({columns}) VALUES ({places})"
    values = list(zip(*(_values(field, rows) for field in fields), strict=True))
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.executemany(statement, values)


def _values(field: Field[Any, Any], rows: Sequence[Model]) -> Iterator[Any]:
    """Yield the field's value of each row as the database takes it."""
    previous, prepared = object(), None
    for row in rows:
        value = field.pre_save(row, add=True)
        if value is not previous:
            previous, prepared = value, field.get_db_prep_save(value, connection)
        yield prepared
