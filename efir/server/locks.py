"""File locks: on SQLite, one process for each job on a database."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import structlog
from django.conf import settings

from efir.config import SQLITE_NAME, ConfigError

log = structlog.get_logger(__name__)


@contextmanager
def exclusive_lock(job: str) -> Iterator[None]:
    """Make this the only process with this job, on SQLite only. Raises ConfigError if another process has it.

    On SQLite there is one process for each job, because presence is kept in its memory and there is one writer anyway.
    """
    if not settings.EFIR.is_sqlite:
        yield
        return
    # The data directory has a lock, too. If the database is in it, this is the same file.
    paths = {
        database_lock_path(job): f"the database {settings.EFIR.sqlite_file}",
        settings.EFIR.data_dir / f"{job}.lock": f"EFIR_DATA_DIR={settings.EFIR.data_dir}",
    }
    with ExitStack() as locks:
        for path, what in paths.items():
            file = locks.enter_context(open(path, "a+", opener=_private))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise ConfigError(
                    f"another process is already the {job} for {what}. On SQLite there can be only "
                    "one. Stop it first, or use PostgreSQL (EFIR_DATABASE_URL) for several."
                ) from exc
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        yield


def database_lock_path(job: str) -> Path:
    """Return the lock file beside SQLite's file, so that it is the same for every data directory."""
    file = settings.EFIR.sqlite_file
    return file.with_name(f"{job}.lock" if file.name == SQLITE_NAME else f"{file.name}.{job}.lock")


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock now."""
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
    """Hold the lock while the block runs; wait for the process that holds it now."""
    with open(path, "a+", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("lock_awaited", lock=str(path), held_by=f"process {_holder(file.fileno())}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _holder(descriptor: int) -> str:
    """Return the id of the process that holds the lock, from /proc/locks (proc_locks(5)), or a question mark."""
    inode = os.fstat(descriptor).st_ino
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            _number, kind, _advisory, _access, pid, where, *_range = line.split()
            if kind == "FLOCK" and where.endswith(f":{inode}"):
                return pid
    return "?"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)  # a user who can open the file can lock it
