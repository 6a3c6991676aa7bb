"""The doctor's checks of this machine: versions, open files, disk, and the files of the data directory."""

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
from django.core import checks

from efir.broadcast import media as media_store
from efir.broadcast.ingest import BYTES_PER_S
from efir.config import KEY_FILE, secret_key_variable

# Files that a process needs for the database, Telegram and its log, beside one for each viewer.
SPARE_FILES = 200
MANY_VIEWERS = 10_000
MIN_FREE, ENOUGH_FREE = 100 * 2**20, 2**30
# The first with RETURNING, by which `bulk_create` learns the ids.
MIN_SQLITE = (3, 35)
# With six retries the kernel drops a silent connection after some 30 seconds; with its usual 15, after 15 minutes.
TRIES, MAX_TRIES = Path("/proc/sys/net/ipv4/tcp_retries2"), 6


def versions() -> Iterator[checks.CheckMessage]:
    """Check SQLite, which comes with Python; Efir would not have started on a Python that is too old."""
    yield checks.Info(platform.python_version(), obj="python")
    if settings.EFIR.is_sqlite and sqlite3.sqlite_version_info < MIN_SQLITE:
        yield checks.Error(sqlite3.sqlite_version, "install a Python with SQLite 3.35 or newer", obj="sqlite")
    elif settings.EFIR.is_sqlite:
        yield checks.Info(sqlite3.sqlite_version, obj="sqlite")


def files() -> Iterator[checks.CheckMessage]:
    """Check the hard limit of open files: each viewer is one, and Efir raises the soft limit itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    viewers = hard - SPARE_FILES
    if hard == resource.RLIM_INFINITY or viewers >= MANY_VIEWERS:
        yield checks.Info(f"{hard}: enough for {MANY_VIEWERS} viewers in one process", obj="open files")
    else:
        advice = "LimitNOFILE=65536 in the systemd unit, or `ulimit -Hn 65536`"
        text = f"{hard}: enough for {max(0, viewers)} viewers in one process"
        yield checks.Warning(text, advice, "open files")


def data_directory() -> Iterator[checks.CheckMessage]:
    """Check that files can be written, and that there is room for more."""
    path = settings.EFIR.data_dir
    probe = path / f".doctor-{uuid4().hex}"
    try:
        probe.write_bytes(b"x" * 4096)
    except OSError as exc:
        advice = "let the user that runs Efir write there"
        yield checks.Error(f"{path}: {exc.strerror}", advice, "data directory")
    else:
        yield checks.Info(f"{path} can be written", obj="data directory")
    finally:
        probe.unlink(missing_ok=True)
    directories = [path, settings.EFIR.sqlite_file.parent] if settings.EFIR.is_sqlite else [path]
    disks = {directory.stat().st_dev: directory for directory in reversed(directories)}
    for directory in disks.values():
        free = shutil.disk_usage(directory).free
        text = f"{free // 2**20} MB free at {directory}"
        if free < MIN_FREE:
            yield checks.Error(text, "free some space: without it nothing can be written", "disk")
        elif free < ENOUGH_FREE:
            yield checks.Warning(text, "free some space before the next webinar", "disk")
        else:
            yield checks.Info(text, obj="disk")


def media() -> Iterator[checks.CheckMessage]:
    """Check that the media of the own broadcast can be written, that an hour of it fits, and the codecs."""
    name = "media"
    probe = media_store.new_name(1)
    store = media_store.store()
    try:
        store.save(probe, b"x" * 4096)
        store.delete(probe)
    except media_store.NoSpace:
        pass  # reported below
    except Exception as exc:  # a library's own errors; their text may hold an address with a key
        advice = "let the user that runs Efir write to EFIR_MEDIA_DIR, or check EFIR_MEDIA_URL and its keys"
        yield checks.Error(f"cannot be written ({type(exc).__name__})", advice, name)
        return
    free = store.free_bytes()
    hours = (free or 0) / BYTES_PER_S / 3600
    if free is None:
        yield checks.Info("in S3-compatible storage", obj=name)
    elif hours < 1:
        advice = "free some space there: a broadcast is refused if its planned length does not fit"
        yield checks.Warning(f"room for {hours:.1f} hours of video", advice, name)
    else:
        yield checks.Info(f"room for {hours:.0f} hours of video", obj=name)
    import av  # here, because every listing of the command line imports this module, and av takes a while

    lacking = [each for each in ("aac", "opus", "h264") if each not in av.codecs_available]
    if lacking:
        advice = "install PyAV's wheel (`pip install av`), or build FFmpeg with these"
        yield checks.Error(f"no {', '.join(lacking)}", advice, "codecs")
    else:
        yield checks.Info(f"H.264, AAC and Opus (PyAV {av.__version__})", obj="codecs")
    if not settings.EFIR.low_rung:
        return
    from efir.broadcast.low_encoder import ENCODER

    if ENCODER in av.codecs_available:
        yield checks.Info("on, encoded by x264", obj="lower rung")
    else:
        advice = "unset EFIR_LOW_RUNG, or install a PyAV whose FFmpeg has libx264 (its wheel has)"
        yield checks.Warning("off: this FFmpeg has no x264", advice, "lower rung")


def secret_key() -> Iterator[checks.CheckMessage]:
    """Check who can read the key: with it, anybody can make sessions."""
    path = settings.EFIR.data_dir / KEY_FILE
    if variable := secret_key_variable(os.environ):
        yield checks.Info(f"from {variable}", obj="secret key")
        return
    if not settings.EFIR.is_sqlite:
        advice = "if there are several machines, set the same EFIR_SECRET_KEY on each"
        yield checks.Warning("each machine's own", advice, "secret key")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        text = f"{path} has mode {mode:o}: others can read it"
        yield checks.Error(text, f"chmod 600 {path}", "secret key")
    else:
        yield checks.Info(f"{path}, mode {mode:o}", obj="secret key")


def database_file() -> Iterator[checks.CheckMessage]:
    """Check who can read the database: a file made by the sqlite3 program has the mode of the umask."""
    if not settings.EFIR.is_sqlite:
        return
    path = settings.EFIR.sqlite_file
    files = [file for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")) if file.exists()]
    exposed = [str(file) for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077]
    if exposed:
        text = f"others can read {', '.join(exposed)}"
        yield checks.Error(text, f"chmod 600 {' '.join(exposed)}", "database file")
    elif files:
        yield checks.Info(f"{path} is readable only by its user", obj="database file")


def lost_phones() -> Iterator[checks.CheckMessage]:
    """Check how long a phone out of coverage counts as present: behind a proxy only the kernel's setting decides."""
    if not settings.EFIR.trusted_proxies or not TRIES.exists():
        return
    tries = int(TRIES.read_text())
    text = f"net.ipv4.tcp_retries2 is {tries}"
    if tries <= MAX_TRIES:
        yield checks.Info(text, obj="lost phones")
    else:
        advice = (
            "where the proxy runs: cp deploy/sysctl.d/90-efir.conf /etc/sysctl.d/ && sysctl --system. Until then a "
            "phone without coverage counts as present for minutes, and its owner may count as having stayed to the end"
        )
        yield checks.Warning(text, advice, "lost phones")


def logs() -> Iterator[checks.CheckMessage]:
    """Check the level: DEBUG writes too much, and ERROR leaves out what explains an error."""
    level = settings.EFIR.log_level
    if level in ("INFO", "WARNING"):
        yield checks.Info(level, obj="log level")
    else:
        yield checks.Warning(level, "EFIR_LOG_LEVEL=INFO for normal operation", "log level")


CHECKS = (versions, files, data_directory, media, secret_key, database_file, lost_phones, logs)
