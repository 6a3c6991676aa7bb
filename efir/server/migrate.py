"""Bring the database to this version at the start of any process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from efir.server.locks import blocking_lock, database_lock_path
from efir.triggers import registry

_ADVISORY_KEY = 0x65666972  # "efir"


def migrate(verbosity: int = 0) -> None:
    """Apply missing migrations and install this version's triggers. Several processes may call this at once."""
    with migration_lock():
        executor = MigrationExecutor(connection)
        is_behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if is_behind or registry.missing() or registry.obsolete():
            call_command("migrate", interactive=False, verbosity=verbosity)


@contextmanager
def migration_lock() -> Iterator[None]:
    """Wait until no other process changes the schema, and be the one that may."""
    if settings.EFIR.is_sqlite:
        with blocking_lock(database_lock_path("migrate")):
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_KEY])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_KEY])
