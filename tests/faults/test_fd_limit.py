"""A process near its limit of file descriptors refuses new connections and keeps existing streams."""

from __future__ import annotations

import resource
import select
import socket
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.crowd import create_crowd
from tests.support.site import Site, Stream, Visitor, eventually

pytestmark = pytest.mark.one_database

FILES = 160  # a quarter of them is reserved
STREAM = "/account/webinar_room/{}/stream"


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


@pytest.fixture(scope="module")
def crowded_site(tmp_path_factory):
    """A server with a low limit of open files, and a live webinar with two people."""
    site = Site(tmp_path_factory.mktemp("hall"), EFIR_STREAMS_PER_PERSON="0")
    people = create_crowd(site, 2)
    with site.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "efir.ops.cli.main", "serve"],
            env=site.environ,
            stdout=log,
            stderr=log,
            preexec_fn=few_files,  # noqa: PLW1509  # no thread of this process is needed there
        )
    site.processes.append(process)
    try:
        eventually(site._is_well)
        yield site, process, people
    finally:
        site.stop()


def person(site: Site, people: dict, number: int) -> Visitor:
    """Return a logged-in visitor."""
    visitor = Visitor(site)
    for pair in people["cookies"][number].split("; "):
        name, _, value = pair.partition("=")
        visitor.http.cookies.set(name, value)
    return visitor


def until_refused(crowd: Visitor, webinar: int, tabs: ExitStack) -> int:
    """Open streams until one is refused; return its status."""
    for _ in range(FILES):
        tab = Stream(crowd, webinar)
        tabs.callback(tab.close)
        if (status := eventually(partial(getattr, tab, "status"))) != 200:
            return status
    pytest.fail("no stream was refused")


def fill(crowd: Visitor, webinar: int, tabs: ExitStack) -> httpx.Response:
    """Open streams until pages are refused, too; return the response to an English visitor of the schedule.

    One refused stream is not enough: while a stream is handed over, it has two descriptors for a moment.
    """
    for _ in range(20):
        assert until_refused(crowd, webinar, tabs) == 503
        answer = httpx.get(f"{crowd.site.url}/webinars/", headers={"Accept-Language": "en"})
        if answer.status_code != 200:
            return answer
    pytest.fail("a connection was always accepted")


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_full_process_refuses_keeps_its_viewers_and_recovers(crowded_site):
    site, process, people = crowded_site
    webinar = people["webinar"]
    viewer, crowd = person(site, people, 0), person(site, people, 1)
    with viewer.watching(webinar) as tab, ExitStack() as tabs:
        # Pages are refused in the visitor's language, with the time to retry.
        answer = fill(crowd, webinar, tabs)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["connection"] == "close"
        assert len(answer.text) > 20

        # More than the reserve: silent connections are closed, and the event loop does not spin.
        silent = [socket.create_connection(("127.0.0.1", site.port), timeout=30) for _ in range(FILES)]
        before = cpu_ticks(process.pid)
        # Some connections ended meanwhile, so a few are accepted.
        eventually(lambda: len(select.select(silent, [], [], 0)[0]) >= FILES - 20)
        for each in silent:
            each.close()
        assert cpu_ticks(process.pid) - before < 100  # a hundred ticks are a second

        assert site.run("webinar", "pause", str(webinar)).returncode == 0
        tab.until(status="paused")
        assert not tab.ended
    eventually(lambda: httpx.get(f"{site.url}/webinars/").status_code == 200)
    with crowd.watching(webinar) as stream:
        stream.until(status="paused")
    assert site.log.read_text().count("fd_limit_reached") == 1
    assert "Traceback" not in site.log.read_text()
