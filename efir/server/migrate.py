"""Migrate the database at the start of any process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from efir.server.locks import blocking_lock, database_lock_path
from efir.triggers import registry

_ADVISORY_KEY = 0x65666972  # "efir"
# The holder of the lock: PostgreSQL's process, the client's machine, its state and since when.
_HOLDER = """
SELECT 'PostgreSQL process ' || pid, coalesce(host(client_addr) || ':' || client_port, 'local'),
       state || ' since ' || state_change
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %s
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

log = structlog.get_logger(__name__)


def migrate(verbosity: int = 0) -> None:
    """Apply missing migrations and install this version's triggers. Several processes may call this at once."""
    with migration_lock():
        executor = MigrationExecutor(connection)
        is_behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if is_behind or registry.missing() or registry.obsolete():
            call_command("migrate", interactive=False, verbosity=verbosity)


@contextmanager
def migration_lock() -> Iterator[None]:
    """Take the lock for changes of the schema; wait for other processes."""
    if settings.EFIR.is_sqlite:
        with blocking_lock(database_lock_path("migrate")):
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_ADVISORY_KEY])
        if cursor.fetchone() == (False,):
            cursor.execute(_HOLDER, [_ADVISORY_KEY])
            holder = cursor.fetchone() or ("nobody any more", None, None)
            names = ("held_by", "address", "state")
            log.warning("migration_lock_awaited", **{k: str(v) for k, v in zip(names, holder, strict=True)})
            cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_KEY])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_KEY])
