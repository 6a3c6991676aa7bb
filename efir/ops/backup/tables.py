"""The tables that the applied migrations define, and their rows from either database to JSON and back."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection, models
from django.db.migrations.loader import MigrationLoader

from efir.lib.snapshot import snapshot
from efir.ops.backup import BackupRefused

T = TypeVar("T")
Migrations: TypeAlias = Sequence[tuple[str, str]]

CHUNK = 1000
# For tables with files in them: a poster has hundreds of kB.
BINARY_CHUNK = 20
# How many overlong texts an error message lists; `efir verify` lists all.
SHOWN = 5


@contextmanager
def long_snapshot() -> Iterator[None]:
    """Let every query of the block see the database as of one moment, however long the block takes."""
    with snapshot():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # A slow disk pauses the reading, which must not look like a dead client.
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield


def applied_migrations() -> list[tuple[str, str]]:
    """Return the migrations applied to this database."""
    return sorted(MigrationLoader(connection).applied_migrations)


def refuse_unknown(migrations: Migrations, whose: str) -> None:
    """Raise BackupRefused if this Efir does not have one of these migrations."""
    known = MigrationLoader(None).disk_migrations or {}
    if unknown := [f"{app}.{name}" for app, name in migrations if (app, name) not in known]:
        raise BackupRefused(
            f"{whose} is of a newer Efir (it has {', '.join(unknown)}): use that version's `efir`."
        )


def unapplied_migrations() -> list[tuple[str, str]]:
    """Return the migrations of this Efir that are not applied to the database."""
    loader = MigrationLoader(connection)
    return sorted(set(loader.graph.nodes) - set(loader.applied_migrations))


def models_at(migrations: Migrations) -> list[type[models.Model]]:
    """Return the models of all tables as they are after these migrations."""
    apps = MigrationLoader(None).project_state(list(migrations)).apps
    return managed(apps.get_models(include_auto_created=True))


def managed(candidates: Iterable[type[models.Model]]) -> list[type[models.Model]]:
    """Return those of these models that have a table of their own."""
    return [model for model in candidates if model._meta.managed and not model._meta.proxy]


def columns(model: type[models.Model]) -> list[str]:
    """Return the table's columns in the order of the model's fields."""
    return [str(field.column) for field in model._meta.concrete_fields]


def dump(model: type[models.Model]) -> Iterator[list[Any]]:
    """Yield every row as JSON values by primary key, with at most one chunk in memory."""
    names = [field.attname for field in model._meta.concrete_fields]
    rows = model._base_manager.order_by("pk").values_list(*names)
    for row in rows.iterator(_chunk_size(model)):
        yield [_to_json(value) for value in row]


def load(model: type[models.Model], order: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows whose values come in the `order` of these columns. Raises KeyError if a column is unknown.

    Plain SQL, because `bulk_create` lets fields with `auto_now` overwrite the values of the backup.
    """
    by_column = {field.column: field for field in model._meta.concrete_fields}
    fields = [by_column[column] for column in order]
    quote = connection.ops.quote_name
    names, places = ", ".join(map(quote, order)), ", ".join(["%s"] * len(order))
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608  # names from the models
    with connection.cursor() as cursor:
        for chunk in batched(rows, _chunk_size(model)):
            cursor.executemany(
                statement,
                [
                    [_to_database(field, value) for field, value in zip(fields, row, strict=True)]
                    for row in chunk
                ],
            )


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to `size` items."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _chunk_size(model: type[models.Model]) -> int:
    has_files = any(isinstance(field, models.BinaryField) for field in model._meta.concrete_fields)
    return BINARY_CHUNK if has_files else CHUNK


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value) if isinstance(value, UUID | Decimal) else value


def _to_database(field: models.Field[Any, Any], value: Any) -> Any:
    if value is not None and isinstance(field, models.BinaryField):
        value = base64.b64decode(value)
    elif value is not None and not isinstance(field, models.JSONField):
        value = field.to_python(value)
    return field.get_db_prep_save(value, connection)


@dataclass(frozen=True)
class OverlongText:
    """A text longer than its column: SQLite keeps it, PostgreSQL does not. The text itself may be private."""

    table: str
    row_id: object
    wrong: str

    def __str__(self) -> str:
        return f"{self.table} id={self.row_id}: {self.wrong}"


def overlong_texts(
    model: type[models.Model], order: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Iterator[OverlongText]:
    """Yield the overlong texts of rows whose values come in the `order` of these columns.

    Raises ValueError if a row has another number of values.
    """
    key = order.index(str(_primary_key(model).column))
    limited = [(order.index(str(field.column)), field) for field in _limited_fields(model)]
    for row in rows if limited else ():
        if len(row) != len(order):
            raise ValueError(f"a row of {model._meta.db_table} has {len(row)} values")
        for place, field in limited:
            length, limit = len(str(row[place] or "")), field.max_length or 0
            if length > limit:
                wrong = f"its {field.column} has {length} characters, and the limit is {limit}"
                yield OverlongText(model._meta.db_table, row[key], wrong)


def stored_overlong_texts(model: type[models.Model]) -> Iterator[OverlongText]:
    """Yield the overlong texts in the database."""
    fields = list(dict.fromkeys([_primary_key(model), *_limited_fields(model)]))
    rows = model._base_manager.order_by("pk").values_list(*(field.attname for field in fields))
    yield from overlong_texts(model, [str(field.column) for field in fields], rows.iterator(CHUNK))


def describe_overlong(texts: Sequence[OverlongText]) -> str:
    """Name the first of these texts in a sentence."""
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(map(str, texts[:SHOWN])) + more


def _primary_key(model: type[models.Model]) -> models.Field[Any, Any]:
    assert model._meta.pk is not None  # noqa: S101  # every model with a table has one
    return model._meta.pk


def _limited_fields(model: type[models.Model]) -> list[models.CharField[Any, Any]]:
    fields = model._meta.concrete_fields
    return [field for field in fields if isinstance(field, models.CharField) and field.max_length]
