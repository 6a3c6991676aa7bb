"""`efir backup`: everything the installation is, in one file, while it runs."""

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

from efir.lib import clock
from efir.ops.backup import BackupRefused
from efir.ops.backup.archive_file import Manifest, Writer
from efir.ops.backup.rows import columns, dump
from efir.ops.backup.schema import applied, models_at, snapshot

SECRET = "secret.key"  # noqa: S105  # a file's name


def backup(path: Path, *, overwrite: bool = False) -> Manifest:
    """Write a backup; the file appears whole or not at all, readable by its owner alone.

    Raises KeepingRefused, and OSError where the disk is full.
    """
    _refuse_existing(path, overwrite)
    with _appearing(path, overwrite) as file, Writer(file) as writer, snapshot():
        migrations = applied()
        if not migrations:
            raise BackupRefused("the database is empty: there is nothing to back up.")
        made_at = clock.iso(clock.now())
        for model in models_at(migrations):
            writer.add_table(model._meta.db_table, columns(model), dump(model))
        if secret := _secret_in_force():
            writer.add(SECRET, [secret])
        return writer.finish(
            efir=version("efir"), made_at=made_at, database=connection.vendor, migrations=tuple(migrations)
        )


def _secret_in_force() -> bytes:
    """The data directory's key where it is the one that signs; with EFIR_SECRET_KEY an earlier one may lie there."""
    path = settings.EFIR.data_dir / SECRET
    kept = path.read_bytes() if path.exists() else b""
    return kept if kept.strip() == settings.EFIR.secret_key.encode() else b""


def has_secret(manifest: Manifest) -> bool:
    """Whether the key that signs links is in the backup."""
    return any(part.name == SECRET for part in manifest.parts)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise BackupRefused(f"{path} must be a file in a directory that exists.")
    if path.exists() and not overwrite:
        raise BackupRefused(f"{path} exists: choose another name, or say --overwrite.")


@contextmanager
def _appearing(path: Path, overwrite: bool) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its name when the block has ended well and every byte is on the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _refuse_existing(path, overwrite)  # somebody else's may have come meanwhile
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _remember_names(path.parent)


def _remember_names(directory: Path) -> None:
    """The new name survives a power cut, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
