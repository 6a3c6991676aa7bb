"""The schema that a database is in, by the migrations applied to it, and one consistent sight of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from django.db import connection, models, transaction
from django.db.migrations.loader import MigrationLoader

from efir.ops.backup import BackupRefused

Migrations: TypeAlias = Sequence[tuple[str, str]]


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything read in the block is of one moment, and nobody who writes waits for it.

    Within a transaction of the caller's (in tests), that is the sight.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(
                "SET LOCAL idle_in_transaction_session_timeout = 0"
            )  # a slow disk is no dead client
            yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")  # Django's own BEGIN would take the one writer's lock
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")


def applied() -> list[tuple[str, str]]:
    """The migrations that this database has. Raises KeepingRefused where this Efir does not know one."""
    loader = MigrationLoader(connection)
    found = sorted(loader.applied_migrations)
    if unknown := unknown_of(found):
        raise BackupRefused(
            f"the database is of a newer Efir (it has {told(unknown)}): use that version's `efir`."
        )
    return found


def unknown_of(migrations: Migrations) -> list[tuple[str, str]]:
    """Those that this Efir does not have."""
    known = MigrationLoader(None).disk_migrations or {}
    return [each for each in migrations if each not in known]


def unapplied() -> list[tuple[str, str]]:
    """The migrations of this Efir that the database does not have yet."""
    loader = MigrationLoader(connection)
    return sorted(set(loader.graph.nodes) - set(loader.applied_migrations))


def models_at(migrations: Migrations) -> list[type[models.Model]]:
    """The models of every table as they are after these migrations."""
    apps = MigrationLoader(None).project_state(list(migrations)).apps
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.managed and not model._meta.proxy]


def told(migrations: Migrations) -> str:
    """These migrations in a sentence."""
    return ", ".join(f"{app}.{name}" for app, name in migrations)
