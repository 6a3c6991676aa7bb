"""The room under reconnects, tabs closed in any order, a tab that does not read, and a slow database."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import pytest

from tests.e2e.conftest import PLAYER, Cast
from tests.support.site import Site, Stream, Visitor, eventually

RECONNECTS = 100


@pytest.fixture(scope="module")
def cast(site, speaker, telegram) -> Cast:
    """A cast with logins of its own: some numbers are too similar to the candidates' password."""
    return Cast(site, speaker, telegram[0], number=306)


def verdict_of(site, webinar: int) -> dict[str, object]:
    """Wait for the only verdict of a webinar."""
    eventually(lambda: site.count(f"attendance_verdict WHERE webinar_id = {webinar}"))
    (verdict,) = site.lines("verdicts", "--webinar", str(webinar))
    return verdict


def opened(visitor: Visitor, webinar: int) -> Stream:
    tab = Stream(visitor, webinar)
    eventually(lambda: tab.states)
    return tab


def viewers(speaker, webinar: int) -> int:
    return speaker.get(f"/api/webinars/{webinar}/state").json()["viewers"]


def test_a_hundred_reconnects_count_as_one_person(site, cast, speaker):
    webinar = cast.webinar()
    _, visitor = cast.candidate(linked=False)
    speaker.post(f"/admin_webinar/{webinar}/start")
    tab, counted = opened(visitor, webinar), set()
    for number in range(RECONNECTS):
        if number % 2:
            tab.hang_up()
            tab = opened(visitor, webinar)
        else:  # the new connection comes before the old one has gone
            before, tab = tab, opened(visitor, webinar)
            before.hang_up()
        counted |= {tab.state["viewers"], viewers(speaker, webinar)}
    tab.hang_up()
    assert counted == {1}
    assert viewers(speaker, webinar) == 0
    with visitor.watching(webinar) as tab:
        speaker.post(f"/admin_webinar/{webinar}/stop")
        tab.until(status="finished")
    assert verdict_of(site, webinar)["reason"] == "stayed_to_end"
    assert site.count(f"attendance_participation WHERE webinar_id = {webinar}") == 1
    assert [event for event, _ in site.journal(webinar)].count("client_webinar_entered") == 1


@pytest.mark.parametrize("first_to_go", [0, 1], ids=["older first", "newer first"])
def test_last_tab_to_close_ends_the_presence(site, cast, speaker, first_to_go):
    webinar = cast.webinar()
    _, visitor = cast.candidate(linked=False)
    speaker.post(f"/admin_webinar/{webinar}/start")
    # A further connection of a person is an empty interval.
    stretches = (
        f"room_presenceinterval WHERE webinar_id = {webinar} AND (ended_at IS NULL OR ended_at > began_at)"
    )
    with visitor.watching(webinar) as older, visitor.watching(webinar) as newer:
        eventually(lambda: site.count(stretches) == 1)
        tabs = [older, newer]
        tabs.pop(first_to_go).hang_up()
        assert viewers(speaker, webinar) == 1
        speaker.post(f"/admin_webinar/{webinar}/cta", visible="true")
        tabs[0].until(cta_visible=True)
        tabs[0].hang_up()
        assert viewers(speaker, webinar) == 0
    eventually(lambda: site.count(f"{stretches} AND ended_at IS NOT NULL") == 1)
    assert site.count(stretches) == 1


class Deaf(Stream):
    """A tab that does not read its stream and has a small receive buffer."""

    def _connected(self, port: int) -> socket.socket:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        return connection

    def _read(self) -> None:
        pass


def test_viewer_who_does_not_read_is_dropped_and_delays_nobody(site, cast, speaker):
    chat = "https://www.youtube.com/live_chat?v=" + "x" * 1900
    webinar = cast.webinar(player_url=PLAYER + "?x=" + "x" * 1900, chat_url=chat)
    (_, visitor), (_, stuck) = cast.candidate(linked=False), cast.candidate(linked=False)
    speaker.post(f"/admin_webinar/{webinar}/start")
    with visitor.watching(webinar) as tab:
        deaf = Deaf(stuck, webinar)
        tab.until(viewers=2)
        for visible in ["true", "false"] * 200:
            changed = speaker.post(f"/admin_webinar/{webinar}/cta", visible=visible).json()
            if tab.until(version=changed["version"])["viewers"] == 1:
                break
        else:
            pytest.fail("never dropped")
        deaf.close()


@contextmanager
def locked(site: Site, webinar: int) -> Iterator[None]:
    """Hold a lock on the webinar's row (on SQLite: the write lock) while the block runs."""
    with site.database() as connection:
        if site.environ["EFIR_DATABASE_URL"]:
            connection.execute(f"SELECT 1 FROM webinars_webinar WHERE id = {webinar} FOR UPDATE")
        else:
            connection.execute("BEGIN IMMEDIATE")
        yield


def test_stop_counts_from_when_it_is_written(site, cast, speaker):
    webinar = cast.webinar()
    (stayed, stays), (left, leaves) = cast.candidate(linked=False), cast.candidate(linked=False)
    clicks = [speaker, Visitor(site, "speaker")]
    speaker.post(f"/admin_webinar/{webinar}/start")
    with ThreadPoolExecutor(2) as pool, stays.watching(webinar) as tab, leaves.watching(webinar) as other:
        eventually(lambda: site.count(f"attendance_participation WHERE webinar_id = {webinar}") == 2)
        with locked(site, webinar):
            stops = [pool.submit(each.post, f"/admin_webinar/{webinar}/stop") for each in clicks]
            eventually(lambda: stops_wait(site))
            other.hang_up()
            gone_at = server_time(stays, webinar)
            # Away for longer than the grace period of 3 s when the stop is written, but not when it was requested.
            eventually(lambda: (server_time(stays, webinar) - gone_at).total_seconds() > 3.5)
            assert not any(stop.done() for stop in stops)
            assert {state["status"] for state in tab.states} == {"live"}
        answers = [stop.result() for stop in stops]
        tab.until(status="finished")
    assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, "finished")}
    assert len({answer.json()["version"] for answer in answers}) == 1
    assert site.count(f"webinars_ledgerentry WHERE webinar_id = {webinar} AND to_status = 'finished'") == 1
    (line,) = [line for line in site.lines("webinar", "list") if line["id"] == webinar]
    # By the server's own clock: the test's may be some milliseconds ahead of it.
    assert (datetime.fromisoformat(line["finished_at"]) - gone_at).total_seconds() > 3.4
    eventually(lambda: site.count(f"attendance_verdict WHERE webinar_id = {webinar}") == 2)
    verdicts = site.lines("verdicts", "--webinar", str(webinar))
    assert {each["lead"]: each["reason"] for each in verdicts} == {
        stayed: "stayed_to_end",
        left: "left_early",
    }


def stops_wait(site: Site) -> bool:
    """Return whether both stops wait for the row; on SQLite this cannot be seen."""
    waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return not site.environ["EFIR_DATABASE_URL"] or site.count(waiting) >= 2


def server_time(visitor: Visitor, webinar: int) -> datetime:
    return datetime.fromisoformat(visitor.get(f"/api/webinars/{webinar}/state").json()["server_time"])
