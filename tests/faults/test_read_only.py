"""The disk becomes read-only during a webinar: nothing is lost.

The kernel refuses to remount a disk while files are open for writing, so RLIMIT_FSIZE fails every write of the process
instead. For SQLite both are the same: writes fail, but not for lack of room.
"""

from __future__ import annotations

import resource
import subprocess

import pytest

from tests.faults.test_fd_limit import person
from tests.faults.test_full_disk import health, press
from tests.support.crowd import create_crowd
from tests.support.site import EFIR, Site, eventually

pytestmark = pytest.mark.one_database


@pytest.fixture
def hall(tmp_path):
    """Start a server whose log goes through a pipe, with a webinar on air."""
    site = Site(tmp_path)
    people = create_crowd(site, 2)
    with site.log.open("ab") as log, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log) as keeping:
        process = subprocess.Popen([str(EFIR), "serve"], env=site.environ, stderr=keeping.stdin)
        site.processes.append(process)
        keeping.stdin.close()
        try:
            eventually(site._is_well)
            yield site, process, people
        finally:
            site.stop()


def allow_writes(process: subprocess.Popen[bytes], *, allowed: bool) -> None:
    soft = resource.RLIM_INFINITY if allowed else 0
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))


def test_read_only_disk_while_live_loses_nothing(hall):
    site, process, people = hall
    webinar, speaker = people["webinar"], person(site, people, 2)
    first, second = person(site, people, 0), person(site, people, 1)
    entered = f"attendance_participation WHERE webinar_id = {webinar} AND entered_at IS NOT NULL"
    with first.watching(webinar) as tab:
        eventually(lambda: site.count(entered) == 1)
        allow_writes(process, allowed=False)
        answer = press(speaker, webinar, "true")
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert not speaker.get(f"/api/webinars/{webinar}/state").json()["cta_visible"]
        with second.watching(webinar) as other:
            assert other.state["status"] == "live"  # entering only reads
            assert "worker" in eventually(lambda: health(site)["failing"])
            assert not tab.ended
            allow_writes(process, allowed=True)
            eventually(site._is_well)
            eventually(lambda: site.count(entered) == 2)
            assert press(speaker, webinar, "true").status_code == 200
            tab.until(cta_visible=True)
            speaker.post(f"/admin_webinar/{webinar}/stop")
            tab.until(status="finished")
            other.until(status="finished")
    stayed = f"attendance_verdict WHERE webinar_id = {webinar} AND reason = 'stayed_to_end'"
    eventually(lambda: site.count(stayed) == 2)
    assert "job_failed" in site.log.read_text()
    verified = site.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
