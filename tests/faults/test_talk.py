"""The room's talk while processes are killed, notifications are cut and the database is away.

People write through pages that send again by `client_id` until they have an answer; readers come back by
`Last-Event-ID`, to whichever process there is. At the end everything answered with 201 is there once, and every reader
has got every message once and in the same order.
"""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import Cast
from tests.faults.test_many_processes import UninvitedCast, database_away, nobody_listening
from tests.support.ports import free_port
from tests.support.site import WITHIN_S, Process, Site, Visitor, eventually
from tests.tiers import on_postgresql
from tools import postgres

WRITERS = 6
OF_EACH = 8
PAUSE_S = 0.2
AWAY_S = 20.0
only_postgresql = pytest.mark.skipif(
    not on_postgresql(), reason="one process on SQLite, and no server to stop"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """Prepare an installation with a speaker; on PostgreSQL with a server of its own."""
    with postgres.cluster(free_port()) if on_postgresql() else _no_server() as url:
        site = Site(tmp_path_factory.mktemp("installation"), url)
        try:
            site.add("speaker", "speaker")
            if on_postgresql():
                site.start("worker", wait=False)
            yield site
        finally:
            site.stop()


@contextmanager
def _no_server() -> Iterator[str]:
    yield ""


class Installation:
    """The web processes, of which any may be killed and started again: two on PostgreSQL, one on SQLite."""

    def __init__(self, site: Site) -> None:
        self.places = [site.beside() for _ in range(2)] if on_postgresql() else [site]
        self.processes: list[Process] = [self._start(place) for place in self.places]
        self.kills = 0

    def _start(self, place: Site) -> Process:
        return place.start("web" if on_postgresql() else "serve")

    def kill(self, number: int) -> None:
        """Kill a process in the middle of everything, and start it again."""
        place, process = self.places[number], self.processes[number]
        place.kill(process)
        self.kills += 1
        self.processes[number] = self._start(place)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)


@dataclass
class Writer:
    """A page on which somebody writes: it sends each message until it has an answer."""

    visitors: list[Visitor]
    webinar: int
    count: int
    accepted: dict[str, int] = field(default_factory=dict)  # client_id → id
    statuses: Counter[object] = field(default_factory=Counter)

    def run(self) -> None:
        """Write all messages."""
        at = itertools.cycle(self.visitors)
        for number in range(self.count):
            client_id, deadline = str(uuid4()), time.monotonic() + WITHIN_S
            while client_id not in self.accepted and time.monotonic() < deadline:
                try:
                    answer = next(at).post(
                        f"/account/webinar_room/{self.webinar}/messages",
                        {"Accept": "application/json"},
                        text=f"Сообщение {number}",
                        kind="message",
                        client_id=client_id,
                    )
                except httpx.TransportError as exc:
                    self.statuses[type(exc).__name__] += 1
                    time.sleep(PAUSE_S)
                    continue
                self.statuses[answer.status_code] += 1
                if answer.status_code in (200, 201):
                    self.accepted[client_id] = answer.json()["id"]
                time.sleep(PAUSE_S)


class Reader:
    """A page that reads the stream, and opens it again at another process whenever it ends."""

    def __init__(self, visitor: Visitor, places: list[Site], webinar: int) -> None:
        cookie = "; ".join(f"{each.name}={each.value}" for each in visitor.http.cookies.jar)
        self._head = (
            f"GET /account/webinar_room/{webinar}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n"
        )
        self._places = itertools.cycle(places)
        self.received: list[int] = []
        self.opened = 0
        self._last_event = ""
        self._done = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._done = True
        self._thread.join(WITHIN_S)

    def _run(self) -> None:
        while not self._done:
            try:
                with socket.create_connection(
                    ("127.0.0.1", next(self._places).port), timeout=0.5
                ) as connection:
                    self._read(connection)
            except OSError:
                time.sleep(PAUSE_S)

    def _read(self, connection: socket.socket) -> None:
        last = f"Last-Event-ID: {self._last_event}\r\n" if self._last_event else ""
        connection.sendall((self._head + last + "\r\n").encode())
        rest, quiet = b"", 0
        while not self._done and quiet < 60:  # the server sends something every 15 s
            try:
                chunk = connection.recv(65536)
            except TimeoutError:
                quiet += 1
                continue
            if not chunk:
                return
            quiet = 0
            *events, rest = (rest + chunk).split(b"\n\n")
            for event in events:
                self._take(event)

    def _take(self, event: bytes) -> None:
        if found := re.search(rb"id: (\d+)\nevent: messages\ndata: (.*)", event):
            self._last_event = found[1].decode()
            self.received += [message["id"] for message in json.loads(found[2])]
        elif b"event: state" in event:
            self.opened += 1


@pytest.fixture
def installation(site) -> Iterator[Installation]:
    installation = Installation(site)
    yield installation
    installation.stop()


numbers = itertools.count(900, 40)


@pytest.fixture
def talk(site, installation, record_property) -> Callable[[Callable[[], None]], None]:
    """Return a function that lets people write and read while something happens, and checks what came of it."""

    def talk(happens: Callable[[], None]) -> None:
        place = installation.places[0]
        cast: Cast = UninvitedCast(place, Visitor(place, "speaker"), None, next(numbers))
        webinar = cast.webinar(talk="chat")
        cast.speaker.post(f"/admin_webinar/{webinar}/start")
        people = [cast.candidate(linked=False)[1] for _ in range(WRITERS + 2)]
        readers = [Reader(person, installation.places, webinar) for person in people[:2]]
        writers = [
            Writer([person.at(each) for each in installation.places], webinar, OF_EACH)
            for person in people[2:]
        ]
        threads = [threading.Thread(target=writer.run) for writer in writers]
        eventually(lambda: all(reader.opened for reader in readers))
        for thread in threads:
            thread.start()
        happens()
        for thread in threads:
            thread.join(WITHIN_S)
        accepted = sorted(number for writer in writers for number in writer.accepted.values())
        lines = site.lines("messages", "--webinar", str(webinar))
        eventually(lambda: all(len(reader.received) >= len(lines) for reader in readers))
        time.sleep(1)  # whatever would come twice
        for reader in readers:
            reader.close()
        record_property("answers", str(sum((writer.statuses for writer in writers), Counter())))
        record_property(
            "messages", f"{len(accepted)} accepted, {len(lines)} kept, {installation.kills} kills"
        )
        record_property("streams opened", sum(reader.opened for reader in readers))
        assert len(accepted) == WRITERS * OF_EACH
        assert [line["id"] for line in lines] == accepted
        for reader in readers:
            assert reader.received == accepted

    return talk


def test_killed_process_loses_and_doubles_nothing(installation, talk):
    def kill() -> None:
        for number in range(3):
            time.sleep(1.5)
            installation.kill(number % len(installation.places))

    talk(kill)


@only_postgresql
def test_cut_notifications_lose_nothing(site, talk):
    def cut() -> None:
        time.sleep(1)
        with site.database() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"
            )
        time.sleep(3)
        with nobody_listening(site):
            time.sleep(3)

    talk(cut)


@only_postgresql
def test_database_away_loses_nothing(site, talk):
    def away() -> None:
        time.sleep(1.5)
        with database_away(site):
            time.sleep(AWAY_S)

    talk(away)
