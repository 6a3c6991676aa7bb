"""One process for one job on one data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from efir.config import ConfigError


@contextmanager
def alone(job: str) -> Iterator[None]:
    """On SQLite one process does each job: presence is kept in its memory, and there is one writer."""
    if not settings.EFIR.is_sqlite:
        yield
        return
    path = settings.EFIR.data_dir / f"{job}.lock"
    with held(path, _second(job, path)):
        yield


def _second(job: str, path: Path) -> str:
    return (
        f"another process is already the {job} for EFIR_DATA_DIR={path.parent}. On SQLite there is one: presence "
        "lives in its memory. Stop it first, or use PostgreSQL (EFIR_DATABASE_URL) for several."
    )


@contextmanager
def held(path: Path, refusal: str) -> Iterator[None]:
    """Hold the file for as long as the block runs; raises ConfigError with `refusal` if another process does."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigError(refusal) from exc
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


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
def awaited(path: Path) -> Iterator[None]:
    """Hold the file; wait for whoever holds it now."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
