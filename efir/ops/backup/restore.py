"""`efir restore`: a backup becomes an empty installation, all of it or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DataError, IntegrityError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from efir.accounts.models import Person
from efir.hooks.models import JournalEntry
from efir.lib import clock
from efir.ops.backup import BackupRefused, column_lengths, held_messages
from efir.ops.backup.archive_file import Backup, Manifest, opened
from efir.ops.backup.backup import SECRET
from efir.ops.backup.column_lengths import TooLong
from efir.ops.backup.rows import columns, load
from efir.ops.backup.schema import models_at, told, unknown_of
from efir.room.models import Recorder
from efir.server.locks import exclusive_lock
from efir.server.migrate import migration_lock
from efir.server.models import WorkerBeat
from efir.triggers import registry
from efir.webinars.models import Webinar

# What a process writes at least so often while it runs.
SIGN_OF_LIFE = timedelta(seconds=30)
# Clocks of two machines may differ by so much.
CLOCKS_DIFFER = timedelta(minutes=5)
# Whoever has one row in any of these is somebody's installation.
SOMEBODYS = (Person, Webinar, JournalEntry)


@dataclass(frozen=True)
class Restored:
    """What was done: the backup's manifest, how many messages are held, and how many sessions were ended."""

    manifest: Manifest
    held: int
    ended: int


@dataclass(frozen=True)
class Checked:
    """A backup that can be restored here: its manifest, and what would keep it from PostgreSQL."""

    manifest: Manifest
    too_long: tuple[TooLong, ...]


def check(path: Path) -> Checked:
    """Whether this Efir could restore the file: all of it is read, nothing is written. Raises KeepingRefused."""
    with opened(path) as backup:
        _check(backup)
        too_long = tuple(_too_long(backup))
        if too_long and connection.vendor == "postgresql":
            raise BackupRefused(
                f"PostgreSQL takes no texts of such a length: {column_lengths.told(too_long)}. "
                "Restore the backup on SQLite, shorten them there with SQL, and make another."
            )
        return Checked(backup.manifest, too_long)


def _too_long(backup: Backup) -> Iterator[TooLong]:
    parts = backup.manifest.tables
    try:
        for model in models_at(backup.manifest.migrations):
            part = parts[model._meta.db_table]
            yield from column_lengths.in_rows(model, part.columns, backup.rows(part))
    except ValueError as exc:
        raise BackupRefused(f"the backup's rows cannot be read ({exc}).") from exc


def restore(path: Path, *, nothing_sent_since: bool = False, end_sessions: bool = False) -> Restored:
    """Fill an empty installation; it is committed as a whole at the very end.

    `nothing_sent_since`: the installation that was backed up has sent nothing since, so what waited goes on by
    itself; otherwise it is held. Raises KeepingRefused.
    """
    with opened(path) as backup, _undisturbed():
        _refuse_in_use()
        _check(backup)
        with _one_transaction():
            _clear()
            _build(backup.manifest)
            _fill(backup)
            _bring_up_to_date()
            held_messages.forget_processes()
            held = 0 if nothing_sent_since else held_messages.hold_unsettled()
            ended = held_messages.end_sessions() if end_sessions else 0
            connection.check_constraints()
            _put_secret(backup.read(SECRET))
    return Restored(backup.manifest, held, ended)


@contextmanager
def _undisturbed() -> Iterator[None]:
    with ExitStack() as locks:
        for lock in (exclusive_lock("web"), exclusive_lock("worker"), migration_lock()):
            locks.enter_context(lock)
        yield


def _check(backup: Backup) -> None:
    manifest = backup.manifest
    if unknown := unknown_of(manifest.migrations):
        raise BackupRefused(
            f"the backup is of a newer Efir ({manifest.efir}; it has {told(unknown)}): restore it with that version."
        )
    if datetime.fromisoformat(manifest.made_at) > clock.now() + CLOCKS_DIFFER:
        raise BackupRefused(
            f"the backup was made at {manifest.made_at}, and the clock here is behind: set it first."
        )
    backup.check()
    wanted = {model._meta.db_table: sorted(columns(model)) for model in models_at(manifest.migrations)}
    if wanted != {table: sorted(part.columns) for table, part in manifest.tables.items()}:
        raise BackupRefused(
            "the backup's tables are not those of its migrations: it was not made by `efir backup`."
        )


def _refuse_in_use() -> None:
    there = set(connection.introspection.table_names())
    if any(model._meta.db_table in there and model._base_manager.exists() for model in SOMEBODYS):
        raise BackupRefused(
            "there are people, webinars or facts here already: a backup is restored into an empty installation. "
            "Give it a place of its own: EFIR_DATA_DIR, and EFIR_DATABASE_URL if it is set."
        )
    since = clock.now() - SIGN_OF_LIFE
    alive = {WorkerBeat: "beat_at", Recorder: "pulsed_at"}
    if any(
        model._meta.db_table in there and model._base_manager.filter(**{f"{moment}__gt": since}).exists()
        for model, moment in alive.items()
    ):
        raise BackupRefused(
            "an Efir process runs on this database: stop them all, and try again in half a minute."
        )


@contextmanager
def _one_transaction() -> Iterator[None]:
    """On SQLite Django changes a schema only where foreign keys are not enforced; they are checked at the end."""
    connection.disable_constraint_checking()
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield
    finally:
        connection.enable_constraint_checking()


def _clear() -> None:
    """Drop what an installation has that was started but never used."""
    registry.drop()
    every = apps.get_models(include_auto_created=True, include_swapped=True)
    ours = {model._meta.db_table for model in every} | {"django_migrations"}
    cascade = " CASCADE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for table in sorted(ours & set(connection.introspection.table_names(cursor))):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}{cascade}")


def _build(manifest: Manifest) -> None:
    """The schema as the backup has it, without a row."""
    executor = MigrationExecutor(connection)
    executor.migrate(_latest(manifest))
    with connection.cursor() as cursor:
        for model in models_at(manifest.migrations):  # what a migration has written
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608  # our own


def _latest(manifest: Manifest) -> list[tuple[str, str]]:
    """Of each app's migrations those that no other one in the backup is built on."""
    graph, there = MigrationLoader(None).graph, set(manifest.migrations)
    return [
        each
        for each in there
        if not any(child.key in there and child.key[0] == each[0] for child in graph.node_map[each].children)
    ]


def _fill(backup: Backup) -> None:
    made: list[type[models.Model]] = models_at(backup.manifest.migrations)
    parts = backup.manifest.tables
    try:
        for model in made:
            part = parts[model._meta.db_table]
            load(model, part.columns, backup.rows(part))
        connection.check_constraints()
    except DataError as exc:
        raise BackupRefused(
            f"this database does not take a value of the backup ({exc}); of texts that are too long `efir restore "
            "--check` tells where they are. Nothing was restored."
        ) from exc
    except (IntegrityError, ValidationError, ValueError) as exc:
        raise BackupRefused(
            f"the backup's rows contradict each other ({exc}). Nothing was restored."
        ) from exc
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), made):
            cursor.execute(statement)


def _bring_up_to_date() -> None:
    """What is missing to this version, the roles, and the triggers."""
    ContentType.objects.clear_cache()
    call_command("migrate", interactive=False, verbosity=0)


def _put_secret(secret: bytes | None) -> None:
    """The key that signs links, last before the commit: what goes wrong later leaves an empty installation."""
    if secret is None:
        return
    path = settings.EFIR.data_dir / SECRET
    fresh = path.with_name(f".{SECRET}.restored")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
