"""What the database holds by itself: triggers, constraints, foreign keys, lengths of texts, and whole pages."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import connection, models

from efir.ops.backup import column_lengths
from efir.ops.verify.problem import Issue
from efir.triggers import registry

FROM_BACKUP = "restore the last backup that `efir verify` finds well"
SHORTEN = "shorten it with SQL: as it is, no backup can be restored on PostgreSQL"


def problems() -> Iterator[Issue]:
    """Everything that is missing or broken."""
    for name in sorted(registry.missing()):
        yield Issue("guard", {"name": name}, "is missing or changed", "run `efir migrate`")
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield from _missing_constraints(model)
            yield from _orphans(model)
            if connection.vendor == "sqlite":  # PostgreSQL takes no longer ones
                yield from _too_long(model)
    if connection.vendor == "sqlite":
        yield from _broken_pages()


def _missing_constraints(model: type[models.Model]) -> Iterator[Issue]:
    with connection.cursor() as cursor:
        there = connection.introspection.get_constraints(cursor, model._meta.db_table)
    named = {each.name for each in (*model._meta.constraints, *model._meta.indexes)}
    for name in sorted(named - set(there)):
        yield _missing(model, name)
    unique = {tuple(each["columns"]) for each in there.values() if each["unique"] or each["primary_key"]}
    foreign = {tuple(each["columns"]) for each in there.values() if each["foreign_key"]}
    for field in model._meta.local_concrete_fields:
        if field.unique and (field.column,) not in unique:
            yield _missing(model, f"unique {field.column}")
        if field.remote_field and getattr(field, "db_constraint", False) and (field.column,) not in foreign:
            yield _missing(model, f"foreign key {field.column}")


def _missing(model: type[models.Model], name: str) -> Issue:
    return Issue(
        "constraint", {"table": model._meta.db_table, "name": name}, "is not in the database", FROM_BACKUP
    )


def _orphans(model: type[models.Model]) -> Iterator[Issue]:
    for field in model._meta.local_concrete_fields:
        if isinstance(field, models.ForeignKey) and getattr(field, "db_constraint", False):
            yield from _orphans_of(model, field)


def _orphans_of(
    model: type[models.Model], field: models.ForeignKey[models.Model, models.Model]
) -> Iterator[Issue]:
    target = field.target_field
    key = model._meta.pk.column if model._meta.pk else field.column
    query = (
        f"SELECT ours.{quote(key)}, ours.{quote(field.column)} FROM {quote(model._meta.db_table)} AS ours "  # noqa: S608  # our own names
        f"LEFT JOIN {quote(target.model._meta.db_table)} AS theirs "
        f"ON theirs.{quote(target.column)} = ours.{quote(field.column)} "
        f"WHERE ours.{quote(field.column)} IS NOT NULL AND theirs.{quote(target.column)} IS NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        for row_id, missing in cursor:
            ids = {"table": model._meta.db_table, "id": row_id, field.column: missing}
            yield Issue("row", ids, "names a row that is not there", FROM_BACKUP)


def _too_long(model: type[models.Model]) -> Iterator[Issue]:
    for text in column_lengths.in_table(model):
        yield Issue("text", {"table": text.table, "id": text.row_id}, text.wrong, SHORTEN)


def quote(name: str | None) -> str:
    """A name of our own as the database wants it."""
    return str(connection.ops.quote_name(name or ""))


def _broken_pages() -> Iterator[Issue]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check(100)")
        for (told,) in cursor:
            if told != "ok":
                yield Issue("file", {"database": "sqlite"}, told, FROM_BACKUP)
