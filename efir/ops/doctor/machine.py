"""The doctor's look at the machine: versions, files, disk, and what lies in the data directory."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from django.conf import settings

from efir.ops.doctor.report import Check, Finding, failed, ok, warning

SPARE_FILES = 200
A_HALL = 10_000
LEAST_FREE, ENOUGH_FREE = 100 * 2**20, 2**30
LEAST_SQLITE = (3, 35)
TRIES, MOST_TRIES = Path("/proc/sys/net/ipv4/tcp_retries2"), 6


def versions() -> Iterator[Finding]:
    """Python is new enough where this runs at all; SQLite is whatever Python was built with."""
    yield ok("python", platform.python_version())
    if settings.EFIR.is_sqlite and sqlite3.sqlite_version_info < LEAST_SQLITE:
        yield failed("sqlite", sqlite3.sqlite_version, "install a Python with SQLite 3.35 or newer")
    elif settings.EFIR.is_sqlite:
        yield ok("sqlite", sqlite3.sqlite_version)


def files() -> Iterator[Finding]:
    """Each viewer is an open file; Efir raises the soft limit to the hard one by itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    viewers = hard - SPARE_FILES
    if hard == resource.RLIM_INFINITY or viewers >= A_HALL:
        yield ok("open files", f"{hard}: enough for {A_HALL} viewers in one process")
    else:
        advice = "LimitNOFILE=65536 in the systemd unit, or `ulimit -Hn 65536`"
        yield warning("open files", f"{hard}: enough for {max(0, viewers)} viewers in one process", advice)


def data_directory() -> Iterator[Finding]:
    """A file can be written there, and there is room for more."""
    path = settings.EFIR.data_dir
    probe = path / f".doctor-{uuid4().hex}"
    try:
        probe.write_bytes(b"x" * 4096)
    except OSError as exc:
        yield failed("data directory", f"{path}: {exc.strerror}", "let the user that runs Efir write there")
    else:
        yield ok("data directory", f"{path} can be written")
    finally:
        probe.unlink(missing_ok=True)
    kept = [path, settings.EFIR.sqlite_file.parent] if settings.EFIR.is_sqlite else [path]
    disks = {each.stat().st_dev: each for each in reversed(kept)}
    yield from map(_disk, disks.values())


def _disk(path: Path) -> Finding:
    free = shutil.disk_usage(path).free
    text = f"{free // 2**20} MB free at {path}"
    if free < LEAST_FREE:
        return failed("disk", text, "make room: without it nothing can be written")
    if free < ENOUGH_FREE:
        return warning("disk", text, "make room before the next webinar")
    return ok("disk", text)


def secret_key() -> Iterator[Finding]:
    """Whoever reads the key can make sessions."""
    path = settings.EFIR.data_dir / "secret.key"
    for name in ("EFIR_SECRET_KEY", "EFIR_SECRET_KEY_FILE"):
        if os.environ.get(name):
            return (yield ok("secret key", f"from {name}"))
    if not settings.EFIR.is_sqlite:
        advice = "with several machines set EFIR_SECRET_KEY to the same on each"
        yield warning("secret key", "each machine's own", advice)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield failed("secret key", f"{path} has mode {mode:o}: others can read it", f"chmod 600 {path}")
    else:
        yield ok("secret key", f"{path}, mode {mode:o}")
    return None


def database_file() -> Iterator[Finding]:
    """Sessions, and passwords by their hashes, are in it; one made by SQLite itself has the mode of the umask."""
    if not settings.EFIR.is_sqlite:
        return
    path = settings.EFIR.sqlite_file
    files = [each for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")) if each.exists()]
    open_ones = [str(each) for each in files if stat.S_IMODE(each.stat().st_mode) & 0o077]
    if open_ones:
        yield failed(
            "database file", f"others can read {', '.join(open_ones)}", f"chmod 600 {' '.join(open_ones)}"
        )
    elif files:
        yield ok("database file", f"{path} is readable by its user alone")


def lost_phones() -> Iterator[Finding]:
    """Behind a proxy the kernel alone decides for how long a phone out of coverage seems to be present."""
    if not settings.EFIR.trusted_proxies or not TRIES.exists():
        return
    tries = int(TRIES.read_text())
    text = f"net.ipv4.tcp_retries2 is {tries}"
    if tries <= MOST_TRIES:
        yield ok("lost phones", text)
    else:
        advice = (
            "where the proxy runs: cp deploy/sysctl.d/90-efir.conf /etc/sysctl.d/ && sysctl --system. Until then a "
            "phone out of coverage stays present for minutes, and may be judged to have stayed to the end"
        )
        yield warning("lost phones", text, advice)


def logs() -> Iterator[Finding]:
    """DEBUG writes more than an evening needs; ERROR hides what one would want to know afterwards."""
    level = settings.EFIR.log_level
    if level in ("INFO", "WARNING"):
        yield ok("log level", level)
    else:
        yield warning("log level", level, "EFIR_LOG_LEVEL=INFO for every day")


CHECKS: tuple[Check, ...] = (versions, files, data_directory, secret_key, database_file, lost_phones, logs)
