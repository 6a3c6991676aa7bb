"""One process for one job on one SQLite database."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.conf import settings

from efir.config import SQLITE_NAME, ConfigError


@contextmanager
def exclusive_lock(job: str) -> Iterator[None]:
    """On SQLite one process does each job: presence is kept in its memory, and there is one writer."""
    if not settings.EFIR.is_sqlite:
        yield
        return
    # One file where the database lies in the data directory, which nobody shares either.
    shared = {
        database_lock_path(job): f"the database {settings.EFIR.sqlite_file}",
        settings.EFIR.data_dir / f"{job}.lock": f"EFIR_DATA_DIR={settings.EFIR.data_dir}",
    }
    with ExitStack() as locks:
        for path, what in shared.items():
            locks.enter_context(held(path, _second(job, what)))
        yield


def database_lock_path(job: str) -> Path:
    """The lock beside SQLite's file: whoever uses the file meets it there, whatever their data directory is."""
    file = settings.EFIR.sqlite_file
    return file.with_name(f"{job}.lock" if file.name == SQLITE_NAME else f"{file.name}.{job}.lock")


def _second(job: str, what: str) -> str:
    return (
        f"another process is already the {job} for {what}. On SQLite there is one: presence "
        "lives in its memory. Stop it first, or use PostgreSQL (EFIR_DATABASE_URL) for several."
    )


@contextmanager
def held(path: Path, refusal: str) -> Iterator[None]:
    """Hold the file for as long as the block runs; raises ConfigError with `refusal` if another process does."""
    with open(path, "a+", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigError(refusal) from exc
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _private(path: str, flags: int) -> int:
    """Whoever can open a file can lock it."""
    return os.open(path, flags, 0o600)


def is_held(path: Path) -> bool:
    """Whether a process holds the file now."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def blocking_lock(path: Path) -> Iterator[None]:
    """Hold the file; wait for whoever holds it now."""
    with open(path, "a+", opener=_private) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
