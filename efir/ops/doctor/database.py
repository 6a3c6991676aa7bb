"""The doctor's look at the database and at what `/healthz` says of it."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from efir.lib import clock
from efir.ops.doctor.report import Check, Finding, clock_off, failed, ok, warning
from efir.ops.monitoring.health import WELL, parts_of_health
from efir.server.locks import database_lock_path, is_held
from efir.server.models import DemoMark

LEAST_POSTGRESQL = 15

# What each state of a part of /healthz asks for.
ADVICE = {
    "unreachable": "start the database, and look at EFIR_DATABASE_URL",
    "guards_missing": "efir migrate puts them back",
    "no_heartbeat": "start `efir serve`, or `efir worker`; if it runs, read its log",
    "dispatcher_down": "start `efir serve`, or `efir worker`; if it runs, read its log",
    "bot_rejected": "set EFIR_TELEGRAM_TOKEN to the token that @BotFather shows, and restart",
    "not_configured": "set EFIR_TELEGRAM_TOKEN: until then messages wait in the queue",
}


def database() -> Iterator[Finding]:
    """It answers, is new enough, and holds what this version wants."""
    try:
        connection.ensure_connection()
    except DatabaseError as exc:
        return (yield failed("database", f"does not answer ({type(exc).__name__})", ADVICE["unreachable"]))
    if connection.vendor == "postgresql":
        yield from _postgresql()
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return (yield failed("migrations", f"{len(missing)} are missing", "efir migrate"))
    yield ok("migrations", "all there")
    if DemoMark.objects.exists():
        yield failed(
            "people", "the demo's, whose passwords everybody knows", "a place of its own: EFIR_DATA_DIR"
        )
    return None


def _postgresql() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000, clock_timestamp()")
        version, theirs = cursor.fetchone()
    if version < LEAST_POSTGRESQL:
        yield failed("postgresql", str(version), f"upgrade it to {LEAST_POSTGRESQL} or newer")
    else:
        yield ok("postgresql", str(version))
    yield clock_off("the database's", theirs)


def health() -> Iterator[Finding]:
    """What `/healthz` says, with what to do about it."""
    clock.refresh()
    parts = parts_of_health()
    if parts["database"] == "unreachable":
        return  # the line about the database has said why
    for part, state in parts.items():
        advice = ADVICE.get(state, "read the worker's log: it says why")
        if state == "ok":
            yield ok(f"health of {part}", state)
        elif state in WELL:
            yield warning(f"health of {part}", state, advice)
        else:
            yield failed(f"health of {part}", state, advice)


def one_owner() -> Iterator[Finding]:
    """On SQLite one process has the database; on another machine (NFS) locks may not be seen."""
    if not settings.EFIR.is_sqlite:
        return
    held = [job for job in ("web", "worker") if is_held(database_lock_path(job))]
    if held:
        yield ok("owner of the database", f"one process runs its {' and '.join(held)}")
    else:
        yield warning("owner of the database", "nobody: Efir does not run", "efir serve")


CHECKS: tuple[Check, ...] = (database, health, one_owner)
