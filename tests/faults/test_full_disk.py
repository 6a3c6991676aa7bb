"""The disk fills up during a webinar: requests have no partial effect, health says why, presence is written later."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.e2e.conftest import Cast
from tests.e2e.test_unusable_directory import OWN_MOUNTS, mounting
from tests.faults.test_fd_limit import person
from tests.support.crowd import create_crowd
from tests.support.recorder import record
from tests.support.sender import Sender, open_broadcast
from tests.support.site import EFIR, Site, Visitor, eventually

RECORDED = record(seconds=15)

pytestmark = [pytest.mark.one_database, mounting]

# A small tmpfs, with a copy of the prepared data directory on it.
MOUNT = 'mount -t tmpfs -o size=$1m none "$3" && cp -a "$2/." "$3" && shift 3 && exec "$@"'
SMALL_MB = 16
# Media leave 200 MB alone. A broadcast of a minute needs 26 more.
MEDIA_MB = 300
FILLED_BYTES = 120 * 2**20


class OnSmallDisk(Site):
    """A site whose database is read from a copy, because SQLite resolves /proc/PID/root to this process's own root."""

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        with TemporaryDirectory() as copy:
            for name in ("efir.sqlite3", "efir.sqlite3-wal"):
                shutil.copy(self.data_dir / name, copy)
            with closing(sqlite3.connect(Path(copy) / "efir.sqlite3")) as connection:
                yield connection


@pytest.fixture
def hall(tmp_path, request):
    """Start a server on a small disk, with a webinar on air."""
    seed, disk = tmp_path / "seed", tmp_path / "disk"
    for directory in (seed, disk):
        directory.mkdir()
    people = create_crowd(Site(seed), 2)
    site = OnSmallDisk(disk)
    site.log = tmp_path / "process.log"
    size = str(getattr(request, "param", SMALL_MB))
    words = [*OWN_MOUNTS, MOUNT, "sh", size, str(seed), str(disk), str(EFIR), "serve"]
    with site.log.open("ab") as log:
        process = subprocess.Popen(words, env=site.environ, stdout=log, stderr=log)
    site.processes.append(process)
    try:
        eventually(lambda: process.poll() is not None or site._is_well())
        assert process.poll() is None, site.log.read_text()
        site.data_dir = Path(f"/proc/{process.pid}/root{disk}")  # as the process sees it
        yield site, people
    finally:
        site.stop()


def fill(disk: Path) -> Path:
    """Fill the disk with one file; return its path."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as exc:
                if exc.errno != errno.ENOSPC:
                    raise
    return filler


def health(site: Site) -> dict:
    return httpx.get(f"{site.url}/healthz", timeout=60).json()


def test_full_disk_while_live_loses_nothing(hall):
    site, people = hall
    webinar, speaker = people["webinar"], person(site, people, 2)
    first, second = person(site, people, 0), person(site, people, 1)
    entered = f"attendance_participation WHERE webinar_id = {webinar} AND entered_at IS NOT NULL"
    with first.watching(webinar) as tab:
        eventually(lambda: site.count(entered) == 1)
        version = tab.state["version"]
        # Writes go on until SQLite has used up the room inside its write-ahead log.
        filler = fill(site.data_dir)
        eventually(lambda: health(site)["failing"])
        while (answer := press(speaker, webinar, "true")).status_code == 200:
            press(speaker, webinar, "false")
            fill_more(filler)
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        now = speaker.get(f"/api/webinars/{webinar}/state").json()
        with second.watching(webinar) as other:
            assert (other.status, now["version"] >= version) == (200, True)
            assert health(site)["database"] == "disk_full"
            assert health(site)["formerly"] == {"database": "no_room"}
            filler.unlink()
            eventually(site._is_well)
            eventually(lambda: site.count(entered) == 2)
            assert press(speaker, webinar, str(not now["cta_visible"]).lower()).status_code == 200
            other.until(version=now["version"] + 1)
            speaker.post(f"/admin_webinar/{webinar}/stop")
            tab.until(status="finished")
    stayed = f"attendance_verdict WHERE webinar_id = {webinar} AND reason = 'stayed_to_end'"
    eventually(lambda: site.count(stayed) == 2)
    shutil.copytree(site.data_dir, site.log.parent / "copy")
    site.stop()
    verified = Site(site.log.parent / "copy").run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("hall", [MEDIA_MB], indirect=True)
def test_disk_that_fills_on_air_costs_segments_alone(hall):
    site, people = hall
    cast = Cast(site, person(site, people, 2), None)
    webinar = cast.webinar(video="own", player_url="", length_min="1")
    cast.speaker.post(f"/admin_webinar/{webinar}/start")
    segments = f"broadcast_segment WHERE webinar_id = {webinar}"
    sender = Sender(cast.speaker, webinar)
    sender.send(RECORDED[:4])
    eventually(lambda: site.count(segments) >= 2)
    filler = site.data_dir / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, FILLED_BYTES)
    for chunk in RECORDED[4:-3]:  # each is accepted: the database has its room
        sender.send([chunk])
        time.sleep(1)  # as a camera gives it: the recording's time is that of the clock
    eventually(lambda: "broadcast_disk_full" in site.log.read_text())
    eventually(lambda: not site.count(f"broadcast_chunk WHERE n < {len(RECORDED) - 7}"))
    kept = site.count(segments)
    assert kept < 6
    assert health(site)["database"] != "disk_full"
    assert open_broadcast(cast.speaker, webinar, {"take_over": True}).json()["error"] == "broadcast_no_space"
    filler.unlink()
    sender.send(RECORDED[-3:])
    sender.end()
    eventually(lambda: not site.count("broadcast_broadcastsession WHERE NOT finished"))
    assert site.count(segments) > kept
    assert site.count("broadcast_chunk") == 0
    cast.speaker.post(f"/admin_webinar/{webinar}/stop")
    eventually(lambda: "Не хватает:" in cast.speaker.get(f"/admin_webinar/{webinar}/").text)


def press(speaker: Visitor, webinar: int, visible: str) -> httpx.Response:
    return speaker.post(
        f"/admin_webinar/{webinar}/cta", headers={"Accept": "application/json"}, visible=visible
    )


def fill_more(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            os.sync()
