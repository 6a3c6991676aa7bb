"""Rows with their exact types, from either database into JSON and back, by the fields of the schema they are in."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, models

CHUNK = 1000
HEAVY_CHUNK = 20  # a poster's file has hundreds of kB


def columns(model: type[models.Model]) -> list[str]:
    """The table's columns, in the order of the model."""
    return [str(field.column) for field in _fields(model)]


def dump(model: type[models.Model]) -> Iterator[list[Any]]:
    """Every row as JSON holds it, in the order of the primary key, without ever holding more than a chunk."""
    names = [field.attname for field in _fields(model)]
    rows = model._base_manager.order_by("pk").values_list(*names)
    for row in rows.iterator(_at_once(model)):
        yield [_plain(value) for value in row]


def load(model: type[models.Model], order: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows whose values come in the `order` of these columns; how many. Raises KeyError for one unknown.

    Not through `bulk_create`: fields that stamp the moment would put this one in the place of the true one.
    """
    by_column = {field.column: field for field in _fields(model)}
    fields = [by_column[column] for column in order]
    quote = connection.ops.quote_name
    names, places = ", ".join(map(quote, order)), ", ".join(["%s"] * len(order))
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608  # our own names
    count = 0
    with connection.cursor() as cursor:
        for chunk in _chunks(rows, _at_once(model)):
            cursor.executemany(statement, [_prepared(fields, row) for row in chunk])
            count += len(chunk)
    return count


def _at_once(model: type[models.Model]) -> int:
    heavy = any(isinstance(field, models.BinaryField) for field in _fields(model))
    return HEAVY_CHUNK if heavy else CHUNK


def _fields(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return list(model._meta.concrete_fields)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value) if isinstance(value, UUID | Decimal) else value


def _prepared(fields: Sequence[models.Field[Any, Any]], row: Sequence[Any]) -> list[Any]:
    return [
        field.get_db_prep_save(_typed(field, value), connection)
        for field, value in zip(fields, row, strict=True)
    ]


def _typed(field: models.Field[Any, Any], value: Any) -> Any:
    if value is None or isinstance(field, models.JSONField):
        return value
    if isinstance(field, models.BinaryField):
        return base64.b64decode(value)
    return field.to_python(value)


def _chunks(rows: Iterable[Sequence[Any]], size: int) -> Iterator[list[Sequence[Any]]]:
    each = iter(rows)
    while chunk := list(islice(each, size)):
        yield chunk
