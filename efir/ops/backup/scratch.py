"""The transaction that a restore runs in, and the scratch database in which `efir restore --check` tries one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import ProgrammingError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from efir.lib.postgresql.errors import is_insufficient_privilege
from efir.ops.backup import BackupRefused


@contextmanager
def one_transaction() -> Iterator[None]:
    """Change the schema and its rows in one transaction."""
    # On SQLite Django refuses to change a schema in a transaction while foreign keys are enforced. `restore` checks
    # the constraints at the end instead.
    connection.disable_constraint_checking()
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield
    finally:
        connection.enable_constraint_checking()


@contextmanager
def scratch_database() -> Iterator[None]:
    """Let the block, which rolls back at its end, use an empty database of the same kind in one transaction.

    On SQLite it is a file of its own beside the database, where there must be room for a restore anyway; on PostgreSQL
    a schema of its own, which others never see. Raises BackupRefused if the role may not make one.
    """
    scratch = connections["default"].copy()
    if connection.vendor == "postgresql":
        with _in_place_of_default(scratch), one_transaction():
            _make_schema()
            yield
        return
    with TemporaryDirectory(dir=settings.EFIR.data_dir, prefix=".restore-check-") as directory:
        scratch.settings_dict["NAME"] = str(Path(directory) / "scratch.sqlite3")
        with _in_place_of_default(scratch), one_transaction():
            yield


def _make_schema() -> None:
    name = connection.ops.quote_name(f"efir_check_{secrets.token_hex(8)}")
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"CREATE SCHEMA {name}")
        except ProgrammingError as exc:
            if not is_insufficient_privilege(exc):
                raise
            database, role = connection.settings_dict["NAME"], connection.settings_dict["USER"]
            raise BackupRefused(
                "the check restores into a schema of its own, which this role may not make. As the database's "
                f'owner run: GRANT CREATE ON DATABASE "{database}" TO "{role}";'
            ) from exc
        cursor.execute(f"SET LOCAL search_path TO {name}")


@contextmanager
def _in_place_of_default(scratch: BaseDatabaseWrapper) -> Iterator[None]:
    kept = connections["default"]
    connections["default"] = scratch
    try:
        yield
    finally:
        scratch.close()
        connections["default"] = kept
        # Rows of the scratch database have other ids.
        ContentType.objects.clear_cache()
