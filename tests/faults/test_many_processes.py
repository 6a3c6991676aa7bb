"""Several web processes on one PostgreSQL: killed processes, wrong clocks, lost notifications, a database restart.

A worker runs all the time; each test starts the web processes that it needs.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from efir.room.presence import MAX_GAP_S
from tests.e2e.conftest import Cast
from tests.support.ports import free_port
from tests.support.site import Site, Stream, Visitor, eventually
from tools import postgres

__test__ = os.environ.get("EFIR_DATABASE_URL", "").startswith("postgres")

LISTENING = "pg_stat_activity WHERE query = 'LISTEN efir_webinars'"
FAR_S = 300  # the error of a wrong clock
ABOUT = timedelta(seconds=FAR_S / 10)
# Longer than BLIND_AFTER_S, and than the longest pause of a client that retries ever more seldom.
AWAY_S = 17.0
HANGS_FOR = timedelta(seconds=MAX_GAP_S + 1)
numbers = itertools.count(
    63, 5
)  # for the logins of each test; the password validator finds some numbers too similar


class UninvitedCast(Cast):
    """A cast whose candidates have no inviter, which saves the login of a partner for each."""

    def ref(self, login: str) -> str:
        return ""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """Start a database server of the tests' own, which they can stop, and a worker."""
    with postgres.cluster(free_port()) as url:
        site = Site(tmp_path_factory.mktemp("installation"), url)
        try:
            site.add("speaker", "speaker")
            site.start("worker", wait=False)
            yield site
        finally:
            site.stop()


@pytest.fixture
def web(site) -> Iterator[Callable[..., tuple[UninvitedCast, subprocess.Popen[bytes]]]]:
    """Return a function that starts one more web process, with a clock `ahead_s` wrong, and a cast that uses it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(ahead_s: int = 0) -> tuple[UninvitedCast, subprocess.Popen[bytes]]:
        words = ["python", "-m", "tests.support.wrong_clock", str(ahead_s)] if ahead_s else []
        place = site.beside()
        started.append(place.start(*words, "web"))
        return UninvitedCast(
            place, Visitor(place, "speaker"), fake_bot_api=None, number=next(numbers)
        ), started[-1]

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(30)


def intervals_sql(webinar: int, more: str = "") -> str:
    """Return SQL for the presence intervals of this room; `gone` is when each ended or was recorded last."""
    gone = "SELECT *, coalesce(ended_at, pulsed_at) AS gone FROM room_presenceinterval"
    recorder = "JOIN room_recorder AS recorder ON recorder.id = recorder_id"
    return f"({gone} {recorder}) AS interval WHERE webinar_id = {webinar} {more}"


def somebody_is_absent(site: Site, webinar: int) -> bool:
    """Return whether an interval ended longer ago than the grace period of 3 s."""
    return site.count(intervals_sql(webinar, "AND gone < clock_timestamp() - interval '3.5 s'")) > 0


def wait_for_entries(site: Site, webinar: int, count: int) -> None:
    eventually(lambda: site.count(f"attendance_participation WHERE webinar_id = {webinar}") == count)


def verdicts(site: Site, webinar: int, count: int) -> dict[str, dict]:
    """Return the verdicts by login, once there are `count`."""
    eventually(lambda: site.count(f"attendance_verdict WHERE webinar_id = {webinar}") == count)
    return {line["lead"]: line for line in site.lines("verdicts", "--webinar", str(webinar))}


def reasons(lines: dict[str, dict]) -> dict[str, str]:
    return {lead: line["reason"] for lead, line in lines.items()}


def test_killed_process_holds_verdicts_of_viewers_who_do_not_reconnect(site, web):
    (first, doomed), (second, _) = web(), web()
    webinar = second.webinar()
    (moved, moves), (lost, stays) = first.candidate(linked=False), first.candidate(linked=False)
    absent, _ = second.candidate(webinar=webinar, linked=False)
    with moves.watching(webinar) as tab, stays.watching(webinar) as other:
        assert second.speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200
        tab.until(status="live")
        other.until(status="live")
        wait_for_entries(site, webinar, 2)
        site.kill(doomed)
        eventually(lambda: tab.ended and other.ended)
    with moves.at(second.site).watching(webinar) as tab:
        eventually(lambda: somebody_is_absent(site, webinar))
        second.speaker.post(f"/admin_webinar/{webinar}/stop")
        tab.until(status="finished")
    lines = verdicts(site, webinar, 3)
    assert reasons(lines) == {moved: "stayed_to_end", lost: "unknown", absent: "no_show"}
    assert lines[lost]["why_unknown"] == "process_died"
    judged = "client_webinar_attendance_classified"
    assert {lead for event, lead in site.journal(webinar) if event == judged} == {moved, absent}


def test_change_without_listeners_reaches_viewers(site, web):
    (first, _), (second, _) = web(), web()
    webinar = second.webinar()
    _, visitor = first.candidate(linked=False)
    with visitor.watching(webinar) as tab:
        eventually(lambda: site.count(LISTENING) == 2)
        with nobody_listening(site):
            assert second.speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200
        tab.until(status="live")
        eventually(lambda: site.count(LISTENING) == 2)
        second.speaker.post(f"/admin_webinar/{webinar}/cta", visible="true")
        tab.until(cta_visible=True)


@contextmanager
def nobody_listening(site: Site) -> Iterator[None]:
    """Cut the connections that LISTEN, and allow no new connection until the block ends."""
    url = site.environ["EFIR_DATABASE_URL"]
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        connection.execute("ALTER DATABASE efir ALLOW_CONNECTIONS false")
        try:
            connection.execute(f"SELECT pg_terminate_backend(pid, 30000) FROM {LISTENING}")
            yield
        finally:
            connection.execute("ALTER DATABASE efir ALLOW_CONNECTIONS true")


def test_room_survives_a_database_restart(site, web):
    cast, process = web()
    webinar = cast.webinar()
    (stayed, stays), (left, leaves), (late, comes) = (cast.candidate(linked=False) for _ in range(3))
    cast.speaker.post(f"/admin_webinar/{webinar}/start")
    with stays.watching(webinar) as tab, leaves.watching(webinar) as other:
        wait_for_entries(site, webinar, 2)
        gone_at = datetime.now(UTC)
        with database_away(site):
            other.hang_up()
            refused = Stream(comes, webinar)
            health = httpx.get(f"{cast.site.url}/healthz", timeout=60)
            eventually(lambda: refused.status)
            eventually(lambda: (datetime.now(UTC) - gone_at).total_seconds() > AWAY_S > MAX_GAP_S)
            back_at = datetime.now(UTC)
        assert not tab.ended
        with comes.watching(webinar) as third:
            assert third.status == 200
            wait_for_entries(site, webinar, 3)
            eventually(lambda: somebody_is_absent(site, webinar))
            eventually(cast.site._is_well)
            cast.speaker.post(f"/admin_webinar/{webinar}/stop")
            third.until(status="finished")
            tab.until(status="finished")
    lines = verdicts(site, webinar, 3)
    assert reasons(lines) == {stayed: "stayed_to_end", left: "left_early", late: "stayed_to_end"}
    assert len(lines[stayed]["intervals"]) == 1
    assert gone_at < datetime.fromisoformat(lines[left]["intervals"][-1][1]) < back_at
    assert [each.poll() for each in (process, site.processes[0])] == [None, None]
    assert (health.status_code, health.json()["database"]) == (503, "unreachable")
    assert refused.status == 503


@contextmanager
def database_away(site: Site) -> Iterator[None]:
    """Kill the database server, and start it again when the block ends."""
    with site.database() as connection:
        (data,) = connection.execute("SHOW data_directory").fetchone()
    pg_ctl = [postgres.binaries() / "pg_ctl", "-D", data, "-w"]
    postgres._run([*pg_ctl, "-m", "immediate", "stop"])
    try:
        yield
    finally:
        port = urlsplit(site.environ["EFIR_DATABASE_URL"]).port
        options = f"-h 127.0.0.1 -p {port} -k {data} -c fsync=off -c max_connections=200"
        postgres._run([*pg_ctl, "-o", options, "-l", Path(data) / "log", "start"])


def test_wrong_clocks_do_not_matter(site, web):
    began = datetime.now(UTC)
    (ahead, _), (behind, _) = web(FAR_S), web(-FAR_S)
    webinar = ahead.webinar()
    (stayed, stays), (left, leaves) = ahead.candidate(linked=False), behind.candidate(linked=False)
    absent, _ = ahead.candidate(webinar=webinar, linked=False)
    with stays.watching(webinar) as tab, leaves.watching(webinar) as other:
        ahead.speaker.post(f"/admin_webinar/{webinar}/start")
        wait_for_entries(site, webinar, 2)
        other.hang_up()
        eventually(lambda: somebody_is_absent(site, webinar))
        behind.speaker.post(f"/admin_webinar/{webinar}/stop")
        tab.until(status="finished")
    lines = verdicts(site, webinar, 3)
    assert reasons(lines) == {stayed: "stayed_to_end", left: "left_early", absent: "no_show"}
    moments = [
        *[state[name] for state in tab.states + other.states for name in ("server_time", "started_at")],
        *[moment for line in lines.values() for interval in line["intervals"] for moment in interval],
        *[fact.get("timestamp") for fact in site.lines("journal", "--webinar", str(webinar))],
    ]
    instants = [datetime.fromisoformat(moment) for moment in moments if moment]
    assert began - ABOUT < min(instants) <= max(instants) < datetime.now(UTC) + ABOUT


def test_process_that_hung_saw_nobody(site, web):
    (first, hanging), (second, _) = web(), web()
    over_the_stop, before_it = second.webinar(), second.webinar()
    unseen, unseens = first.candidate(linked=False)
    (stayed, stays), (gone, goes) = first.candidate(linked=False), first.candidate(linked=False)
    with (
        unseens.watching(over_the_stop) as hidden,
        stays.watching(before_it) as tab,
        goes.watching(before_it) as other,
    ):
        for webinar, count in ((over_the_stop, 1), (before_it, 2)):
            second.speaker.post(f"/admin_webinar/{webinar}/start")
            wait_for_entries(site, webinar, count)
        recorders = site.count("room_recorder")
        frozen_at = datetime.now(UTC)
        hanging.send_signal(signal.SIGSTOP)
        try:
            other.close()
            eventually(lambda: datetime.now(UTC) - frozen_at > HANGS_FOR)
            second.speaker.post(f"/admin_webinar/{over_the_stop}/stop")
        finally:
            hanging.send_signal(signal.SIGCONT)
        hidden.until(status="finished")
        eventually(lambda: site.count("room_recorder") > recorders)
        second.speaker.post(f"/admin_webinar/{before_it}/stop")
        tab.until(status="finished")
    assert reasons(verdicts(site, over_the_stop, 1)) == {unseen: "unknown"}
    lines = verdicts(site, before_it, 2)
    assert lines[stayed]["reason"] == "stayed_to_end"
    # They went while the process hung: shortly before this stop if the process came back just then.
    assert lines[gone]["reason"] in ("unknown", "left_early")
    assert datetime.fromisoformat(lines[gone]["intervals"][-1][1]) < frozen_at + timedelta(seconds=1)
