"""`efir restore`: fill an empty installation from a backup, all of it or nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DataError, IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from efir.accounts.models import Person, Session
from efir.config import KEY_FILE, secret_key_variable
from efir.hooks import bus
from efir.hooks.models import JournalEntry
from efir.lib import clock
from efir.ops.backup import BackupRefused
from efir.ops.backup.archive_file import Backup, Manifest, opened
from efir.ops.backup.held_messages import hold_unsettled
from efir.ops.backup.scratch import one_transaction, scratch_database
from efir.ops.backup.tables import (
    OverlongText,
    columns,
    describe_overlong,
    load,
    models_at,
    overlong_texts,
    refuse_unknown,
)
from efir.server import secret_key
from efir.server.heartbeats import is_running
from efir.server.locks import exclusive_lock
from efir.server.migrate import migration_lock
from efir.server.models import WorkerHeartbeat
from efir.telegram.models import DispatcherState
from efir.triggers import registry
from efir.webinars.models import Webinar

# The clocks of the two machines may differ by this much.
CLOCK_TOLERANCE = timedelta(minutes=5)
# The errors of a line that is not a row of its table.
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
# An installation with a row in any of these is in use.
MODELS_OF_USE = (Person, Webinar, JournalEntry)


@dataclass(frozen=True)
class Restored:
    """The manifest of the restored backup, and the numbers of messages held and of sessions cleared.

    `has_other_key`: the key in force is not the one that the backup's sessions and links were signed with.
    """

    manifest: Manifest
    held: int
    cleared: int
    has_other_key: bool


@dataclass(frozen=True)
class Checked:
    """A backup that can be restored into an empty installation on this kind of database.

    `overlong` are the texts that would keep it from PostgreSQL; `not_here` says why this installation is not empty.
    """

    manifest: Manifest
    overlong: tuple[OverlongText, ...]
    not_here: str


def check(path: Path) -> Checked:
    """Restore into a scratch database and delete it.

    Raises BackupRefused if `restore` would, except for an installation in use: a backup is checked beside the running
    system.
    """
    with opened(path) as backup:
        _check(backup)
        overlong = _overlong_texts(backup)
        try:
            _refuse_in_use()
            not_here = ""
        except BackupRefused as refused:
            not_here = str(refused)
        with scratch_database(), bus.without_outside_listeners():
            _fill(backup, assume_nothing_sent=False)
            transaction.set_rollback(True)
        return Checked(backup.manifest, overlong, not_here)


def restore(path: Path, *, assume_nothing_sent: bool = False, clear_sessions: bool = False) -> Restored:
    """Fill an empty installation in one transaction, and bring the schema to this version.

    `assume_nothing_sent`: the old installation has sent nothing since the backup, so waiting messages are sent;
    otherwise they are held. `clear_sessions`: everybody has to log in again. Raises BackupRefused.
    """
    with opened(path) as backup, exclusive_lock("web"), exclusive_lock("worker"), migration_lock():
        _refuse_in_use()
        _check(backup)
        _overlong_texts(backup)
        with one_transaction():
            _drop_tables()
            held = _fill(backup, assume_nothing_sent=assume_nothing_sent)
            cleared = Session.objects.all().delete()[0] if clear_sessions else 0
            key_of_backup = backup.read(KEY_FILE)
            has_other_key = secret_key.store_fingerprint(_key_in_force(key_of_backup))
            # Last before the commit: a failure after it leaves an installation that is still empty.
            if key_of_backup:
                secret_key.write_key_file(key_of_backup)
    return Restored(backup.manifest, held, cleared, has_other_key)


def _key_in_force(key_of_backup: bytes | None) -> str:
    """Return the key that is in force once the backup's key is in the data directory."""
    if key_of_backup and not secret_key_variable(os.environ):
        return key_of_backup.decode().strip()
    key: str = settings.EFIR.secret_key
    return key


def _fill(backup: Backup, *, assume_nothing_sent: bool) -> int:
    """Make the tables, load the rows and bring both to this version; return how many messages are held."""
    _build_schema(backup.manifest)
    _load_rows(backup)
    ContentType.objects.clear_cache()
    try:
        call_command("migrate", interactive=False, verbosity=0)  # also makes the roles and the triggers
        _defer_constraints()
        # The processes of the old installation hold no lease any more.
        WorkerHeartbeat.objects.all().delete()
        DispatcherState.objects.update(holder=None, lease_until=None)
        held = 0 if assume_nothing_sent else hold_unsettled()
        connection.check_constraints()
    except (DataError, IntegrityError) as exc:
        raise BackupRefused(
            f"the backup's rows do not fit this version of Efir ({exc}). Nothing was restored."
        ) from exc
    return held


def _overlong_texts(backup: Backup) -> tuple[OverlongText, ...]:
    """Return the texts that are too long for PostgreSQL. Raises BackupRefused if this is PostgreSQL."""
    tables = backup.manifest.tables
    overlong: list[OverlongText] = []
    try:
        for model in models_at(backup.manifest.migrations):
            part = tables[model._meta.db_table]
            overlong.extend(overlong_texts(model, part.columns, backup.rows(part)))
    except MALFORMED as exc:
        raise BackupRefused(f"the backup's rows cannot be read ({exc}).") from exc
    if overlong and connection.vendor == "postgresql":
        raise BackupRefused(
            f"PostgreSQL does not accept texts of this length: {describe_overlong(overlong)}. "
            "Restore the backup on SQLite, shorten the texts there with SQL, and make another backup."
        )
    return tuple(overlong)


def _check(backup: Backup) -> None:
    manifest = backup.manifest
    refuse_unknown(manifest.migrations, f"the backup, made by Efir {manifest.efir},")
    if datetime.fromisoformat(manifest.made_at) > clock.now() + CLOCK_TOLERANCE:
        raise BackupRefused(
            f"the backup was made at {manifest.made_at}, and the clock here is behind: set it first."
        )
    backup.check()
    wanted = {model._meta.db_table: sorted(columns(model)) for model in models_at(manifest.migrations)}
    if wanted != {table: sorted(part.columns) for table, part in manifest.tables.items()}:
        raise BackupRefused(
            "the backup's tables do not match its migrations: it was not made by `efir backup`."
        )


def _refuse_in_use() -> None:
    tables = set(connection.introspection.table_names())
    if any(model._meta.db_table in tables and model._base_manager.exists() for model in MODELS_OF_USE):
        raise BackupRefused(
            "there are people, webinars or facts here already: a backup is restored into an empty installation. "
            "Use another EFIR_DATA_DIR, and another EFIR_DATABASE_URL if it is set."
        )
    if is_running():
        raise BackupRefused(
            "an Efir process is running on this database: stop all of them, and try again in half a minute."
        )


def _drop_tables() -> None:
    """Drop the tables of an installation that was started but never used."""
    registry.drop()
    existing = connection.introspection.table_names()
    ours = {*connection.introspection.django_table_names(), "django_migrations"}
    cascade = " CASCADE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for table in sorted(ours.intersection(existing)):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}{cascade}")


def _build_schema(manifest: Manifest) -> None:
    """Make the tables as the backup's migrations have them, without the rows that migrations write."""
    executor = MigrationExecutor(connection)
    nodes, migrations = executor.loader.graph.node_map, set(manifest.migrations)
    # The last migrations of each app, because Django would migrate back to an earlier target.
    followed = {
        parent.key
        for migration in migrations
        for parent in nodes[migration].parents
        if parent.key[0] == migration[0]
    }
    executor.migrate(sorted(migrations - followed))
    _defer_constraints()
    with connection.cursor() as cursor:
        for model in models_at(manifest.migrations):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608  # our own


def _defer_constraints() -> None:
    """Allow rows in any order again: some migrations make their foreign key immediate until the commit."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _load_rows(backup: Backup) -> None:
    models, tables = models_at(backup.manifest.migrations), backup.manifest.tables
    try:
        for model in models:
            part = tables[model._meta.db_table]
            load(model, part.columns, backup.rows(part))
        connection.check_constraints()
    except DataError as exc:
        raise BackupRefused(
            f"this database does not accept a value of the backup ({exc}). Nothing was restored."
        ) from exc
    except (IntegrityError, ValidationError, *MALFORMED) as exc:
        raise BackupRefused(
            f"the backup's rows contradict each other ({exc}). Nothing was restored."
        ) from exc
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
