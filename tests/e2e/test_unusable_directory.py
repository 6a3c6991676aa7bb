"""A full disk, a read-only directory, two installations in one place: one sentence on standard error, no traceback."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.site import EFIR, WITHIN_S, Site

pytestmark = pytest.mark.one_database

OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
CAN_MOUNT = (
    subprocess.run([*OWN_MOUNTS, "mount -t tmpfs none /mnt"], capture_output=True, check=False).returncode
    == 0
)
mounting = pytest.mark.skipif(not CAN_MOUNT, reason="this user may not mount in a namespace of its own")


def run_on_disk(options: str, site: Site, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose data directory is a tmpfs mounted with these options."""
    mount = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"'
    words = [*OWN_MOUNTS, mount, "sh", options, str(site.data_dir), str(EFIR), *command]
    return subprocess.run(words, env=site.environ, capture_output=True, text=True, timeout=60, check=False)


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence that the command wrote to standard error."""
    assert done.returncode in (1, 2), done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("efir: ")
    return lines[0]


@mounting
@pytest.mark.parametrize("size", ["4k", "40k", "1m"])
def test_start_explains_a_full_disk(tmp_path, size):
    done = run_on_disk(f"size={size}", Site(tmp_path, EFIR_LOG_LEVEL="ERROR"), "serve")
    assert "the disk is full" in error_of(done)


@mounting
def test_start_explains_a_read_only_directory(tmp_path):
    done = run_on_disk("ro", Site(tmp_path, EFIR_LOG_LEVEL="ERROR"), "serve")
    assert "EFIR_DATA_DIR" in error_of(done)
    assert "can write" in error_of(done)


@pytest.mark.parametrize("most_bytes", [0, 65536])
def test_start_explains_a_file_size_limit(tmp_path, most_bytes):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    done = subprocess.run(
        [str(EFIR), "serve"],
        env=Site(tmp_path, EFIR_LOG_LEVEL="ERROR").environ,
        preexec_fn=limited,  # no thread of this process is needed there
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "raise that limit" in error_of(done) or "check its free space" in error_of(done)


@mounting
def test_backup_without_room_leaves_no_file(tmp_path):
    (tmp_path / "data").mkdir()
    disk = tmp_path / "disk"
    disk.mkdir()
    site = Site(tmp_path / "data", empty=True)
    assert site.run("migrate").returncode == 0
    script = 'mount -t tmpfs -o size=4k none "$1" && "$2" backup "$1/efir.zip"; ls -A "$1"'
    done = subprocess.run(
        [*OWN_MOUNTS, script, "sh", str(disk), str(EFIR)],
        env=site.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "the disk is full" in done.stderr
    assert "Nothing was written" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_start_explains_an_unreachable_database(tmp_path, command):
    url = f"postgresql://efir:its-password@127.0.0.1:{free_port()}/efir"
    done = Site(tmp_path, url, empty=True).run(command)
    assert done.returncode == 1, done.stderr
    *tries, last = done.stderr.strip().splitlines()
    assert last.startswith("efir: the database of EFIR_DATABASE_URL does not answer")
    assert "Connection refused" in "".join(tries)
    assert "Traceback" not in done.stderr
    assert "its-password" not in done.stderr


def test_second_process_on_one_data_directory_is_refused(tmp_path):
    site = Site(tmp_path, empty=True)
    try:
        serving = site.start("serve")
        for command in ("serve", "worker", "web"):
            assert "another process is already the" in error_of(site.run(command))
        locks = list(tmp_path.glob("*.lock"))
        assert {lock.stat().st_mode & 0o777 for lock in locks} == {
            0o600
        }  # a user who can read one can hold it
        site.kill(serving)
        assert site.start("serve").poll() is None  # the lock went with its process
    finally:
        site.stop()


def test_second_process_on_one_database_is_refused(tmp_path):
    """The lock file lies beside the database, so a different data directory makes no difference."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.sqlite3").symlink_to(tmp_path / "disk/shared.sqlite3")
    sites = []
    for name, file in (
        ("first", "disk/shared.sqlite3"),
        ("second", "link.sqlite3"),
        ("third", "disk/other.sqlite3"),
    ):
        (tmp_path / name).mkdir()
        sites.append(Site(tmp_path / name, f"sqlite:///{tmp_path / file}", empty=True))
    first, second, third = sites
    try:
        first.start("serve")
        for command in (["serve"], ["worker"], ["restore", str(empty_backup(third))]):
            told = error_of(run_refused(second, *command))
            assert f"for the database {tmp_path}/disk/shared.sqlite3" in told
        assert "one process runs its web and worker" in second.run("doctor").stdout
        assert third.start("serve").poll() is None  # another database in the same directory
    finally:
        first.stop()
        third.stop()


def run_refused(site: Site, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a long-running command that must end by itself."""
    return subprocess.run(
        [str(EFIR), *command], env=site.environ, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )


def empty_backup(site: Site) -> Path:
    """Return a backup of an empty installation."""
    file = site.data_dir / "efir.zip"
    if not file.exists():
        assert site.run("migrate").returncode == 0
        assert site.run("backup", str(file)).returncode == 0
    return file


def test_database_in_another_data_directory_is_locked(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first = Site(tmp_path / "first", empty=True)
    second = Site(tmp_path / "second", f"sqlite:///{first.data_dir / 'efir.sqlite3'}", empty=True)
    try:
        first.start("serve")
        assert f"the database {first.data_dir}/efir.sqlite3" in error_of(run_refused(second, "serve"))
        # An older version that still runs holds locks of these names.
        assert {"web.lock", "worker.lock", "migrate.lock"} <= {path.name for path in first.data_dir.iterdir()}
    finally:
        first.stop()
