"""`efir backup`: write the whole installation into one file, while it runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection

from efir.config import KEY_FILE
from efir.lib import clock
from efir.ops.backup import BackupRefused
from efir.ops.backup.archive_file import FORMAT, Manifest, Part, create, write_manifest, write_table
from efir.ops.backup.tables import applied_migrations, columns, dump, long_snapshot, models_at, refuse_unknown


def backup(path: Path, *, overwrite: bool = False) -> Manifest:
    """Write a backup. The file appears whole or not at all, and only its owner can read it.

    Raises BackupRefused, and OSError if the file cannot be written.
    """
    _refuse_existing(path, overwrite)
    with _new_file(path, overwrite) as file, create(file) as archive, long_snapshot():
        migrations = applied_migrations()
        if not migrations:
            raise BackupRefused("the database is empty: there is nothing to back up.")
        refuse_unknown(migrations, "the database")
        made_at = clock.iso(clock.now())
        parts = [
            write_table(archive, model._meta.db_table, columns(model), dump(model))
            for model in models_at(migrations)
        ]
        if secret := _secret_in_force():
            archive.writestr(KEY_FILE, secret)
            parts.append(Part(KEY_FILE))
        manifest = Manifest(
            FORMAT, version("efir"), made_at, connection.vendor, tuple(migrations), tuple(parts)
        )
        write_manifest(archive, manifest)
        return manifest


def has_secret(manifest: Manifest) -> bool:
    """Return whether the key that signs links is in the backup."""
    return any(part.name == KEY_FILE for part in manifest.parts)


def _secret_in_force() -> bytes:
    """Return the key file of the data directory, or nothing if EFIR_SECRET_KEY overrides it."""
    path = settings.EFIR.data_dir / KEY_FILE
    content = path.read_bytes() if path.exists() else b""
    return content if content.strip() == settings.EFIR.secret_key.encode() else b""


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise BackupRefused(f"{path} must be a file in a directory that exists.")
    if path.exists() and not overwrite:
        raise BackupRefused(f"{path} exists: choose another name, or use --overwrite.")


@contextmanager
def _new_file(path: Path, overwrite: bool) -> Iterator[IO[bytes]]:
    """Open a temporary file, which is renamed to `path` after the block has succeeded and all bytes are on the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _refuse_existing(path, overwrite)  # another process may have written it meanwhile
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the new name must survive a power cut, too
    finally:
        os.close(directory)
