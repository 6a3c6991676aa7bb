"""Runs an installation: `efir` processes, a real database, the fake Bot API over HTTP, and visitors with cookies."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from copy import copy
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import httpx
import psycopg
from psycopg import sql

from tests.support import migrated
from tests.support.fork_server import Forked, ForkServer
from tests.support.ports import free_port

T = TypeVar("T")
Process: TypeAlias = subprocess.Popen[bytes] | Forked

EFIR = Path(sys.executable).with_name("efir")
PASSWORD = "efir-test-password"
# The demo changes its environment before Django reads it, `restore` and `rotate-key` replace the key; `python` is no
# command of ours.
NOT_FORKED = frozenset({"demo", "python", "restore", "rotate-key"})
TOKEN = "42:test-token-of-a-bot"
# A wait for a condition, not a measure: on a busy machine a start alone may take half a minute.
WITHIN_S = 120.0


def eventually(get: Callable[[], T], *, within: float = WITHIN_S) -> T:
    """Wait until `get` returns something true, and return it; fail the test with its last value otherwise."""
    deadline = time.monotonic() + within
    while True:
        asked = time.monotonic()
        if value := get():
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {within} s"
        # A question that is a process of its own must not take the time from those it asks about.
        time.sleep(max(0.05, time.monotonic() - asked))


@contextmanager
def fresh_database(*, copy_of: str = "", empty: bool = False) -> Iterator[str]:
    """Create a migrated database on the server of EFIR_DATABASE_URL; yield an empty string if the tests run on SQLite.

    `copy_of` is the URL of another one, which nobody uses now; an `empty` one has no tables.
    """
    server = os.environ.get("EFIR_DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield ""
        return
    template = "template1" if empty else copy_of.rpartition("/")[2] or migrated.database(server)
    name = f"efir_{secrets.token_hex(6)}"
    yield migrated.create_database(server, name, template)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class Site:
    """One installation: its environment, its processes, its command line.

    On SQLite its first command finds a migrated database, unless the installation is to be `empty`.
    """

    def __init__(
        self, data_dir: Path, database_url: str = "", *, empty: bool = False, **environ: str
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self.log = data_dir / "process.log"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("EFIR_", "DJANGO_"))
        }
        self.environ = kept | {
            "EFIR_DATA_DIR": str(data_dir),
            "EFIR_DATABASE_URL": database_url,
            "EFIR_PORT": str(self.port),
            "EFIR_GRACE_S": "3",
            "EFIR_SETTLE_S": "1",
            "EFIR_MIN_WATCHED": "0",  # as in tests.environment
            "EFIR_TELEGRAM_RATE": "200",
            "PYTHONFAULTHANDLER": "1",
            **environ,
        }
        self.processes: list[Process] = []
        self._is_prepared = empty or bool(database_url)
        self._fork_servers: list[ForkServer] = []
        self._has_other_key = False

    def prepare(self, command: str = "") -> None:
        """Copy a migrated database if there is none yet; the demo and `restore` make their own."""
        database = self.data_dir / "efir.sqlite3"
        if not self._is_prepared and command not in {"demo", "restore"} and not database.exists():
            migrated.copy_file(database)
        self._is_prepared = True

    def start(self, *command: str, wait: bool = True) -> Process:
        """Start a long-running command (default `efir serve`) and wait until it is healthy."""
        program, *rest = command or ("serve",)
        self.prepare(program)
        server = self._server(program)
        with self.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            if server:
                process: Process = server.start([program, *rest], nothing, log, log)
            else:
                words = [sys.executable, *rest] if program == "python" else [str(EFIR), program, *rest]
                process = subprocess.Popen(words, env=self.environ, stdout=log, stderr=log)
        self.processes.append(process)
        if wait:
            eventually(lambda: process.poll() is not None or self._is_well())
            assert process.poll() is None, self.log.read_text()[-3000:]
        return process

    def _is_well(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """Stop the running processes as an operator would: by SIGTERM."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            process.wait(30)
        while self._fork_servers:
            self._fork_servers.pop().close()

    def kill(self, process: Process) -> None:
        """Kill the process (SIGKILL)."""
        process.send_signal(signal.SIGKILL)
        process.wait(30)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Call the command line and wait for it."""
        self.prepare(arguments[0])
        if server := self._server(arguments[0]):
            return server.run(arguments, stdin)
        return subprocess.run(
            [str(EFIR), *arguments],
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def _server(self, command: str) -> ForkServer | None:
        """Return what forks this command; None if it must not be forked, or the environment was changed or is wrong."""
        if command in NOT_FORKED:
            self._has_other_key |= command in ("restore", "rotate-key")
            return None
        if not self._fork_servers or self._has_other_key:  # a server has read the key that was there before
            self._fork_servers.append(ForkServer(self.environ))
            self._has_other_key = False
        server = self._fork_servers[-1]
        return server if server.is_ready and server.environ == self.environ else None

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the lines that a listing prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def add(self, login: str, role: str = "candidate", inviter: str = "") -> int:
        """Create a person through the command line; return their id."""
        extra = ["--inviter", inviter] if inviter else []
        done = self.run("person", "add", login, "--role", role, *extra, "--password-stdin", stdin=PASSWORD)
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["id"])

    def journal(self, webinar_id: int) -> list[tuple[str, str]]:
        """Return the events of a webinar as (event, login), in order."""
        return [(line["event"], line["lead"]) for line in self.lines("journal", "--webinar", str(webinar_id))]

    def outbox(self, webinar_id: int) -> dict[tuple[str, str], str]:
        """Return the state of each message of a webinar by its kind and its lead's login."""
        lines = self.lines("outbox", "--webinar", str(webinar_id))
        return {(line["kind"], line["lead"]): line["state"] for line in lines}

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection | sqlite3.Connection]:
        """Connect to the database directly; what is not committed is rolled back."""
        url = self.environ["EFIR_DATABASE_URL"]
        path = self.data_dir / "efir.sqlite3"
        with closing(psycopg.connect(url) if url else sqlite3.connect(path, timeout=20)) as connection:
            yield connection

    def end_settle_delay(self, webinar_id: int) -> None:
        """Let the webinar be classified at once. Its settle delay was fixed at the start, so no setting changes it."""
        with self.database() as connection:
            connection.execute(f"UPDATE webinars_webinar SET settle_s = 0 WHERE id = {webinar_id}")
            connection.commit()

    def count(self, rows: str) -> int:
        """Return the number of rows of `table WHERE …`."""
        with self.database() as connection:
            (number,) = connection.execute(f"SELECT count(*) FROM {rows}").fetchone() or (0,)
        return int(number)

    def facts(self, webinar_id: int) -> int:
        """Return the number of a webinar's facts in the journal."""
        return self.count(f"hooks_journalentry WHERE webinar_id = {webinar_id}")

    def judged(self, webinar_id: int) -> int:
        """Return the number of a webinar's verdicts."""
        return self.count(f"attendance_verdict WHERE webinar_id = {webinar_id}")

    def pressed(self, webinar_id: int) -> int:
        """Return how many people have pressed a webinar's call-to-action."""
        return self.count(f"room_ctapress WHERE webinar_id = {webinar_id}")

    def states(self, webinar_id: int) -> Counter[str]:
        """Count the messages of a webinar by state."""
        with self.database() as connection:
            rows = connection.execute(
                f"SELECT state, count(*) FROM telegram_outboxmessage WHERE webinar_id = {webinar_id} GROUP BY state"
            )
            return Counter(dict(rows.fetchall()))

    def beside(self) -> Site:
        """Return this installation with another port, for one more web process."""
        other = copy(self)
        other._fork_servers = []
        other.port = free_port()
        other.url = f"http://127.0.0.1:{other.port}"
        other.environ = self.environ | {"EFIR_PORT": str(other.port)}
        return other


@contextmanager
def running_site(data_dir: Path, *commands: str, **environ: str) -> Iterator[Site]:
    """Run an installation with a speaker, on a database of its own.

    `commands` replace `efir serve`; the last of them is the one that serves HTTP.
    """
    with fresh_database() as url:
        site = Site(data_dir, url, **environ)
        try:
            for command in commands[:-1]:
                site.start(command, wait=False)
            site.start(*commands[-1:])
            site.add("speaker", "speaker")
            yield site
        finally:
            site.stop()


class Visitor:
    """Somebody with a browser: cookies, and the CSRF token that goes with them."""

    def __init__(self, site: Site, login: str = "") -> None:
        self.site = site
        self.http = httpx.Client(base_url=site.url, timeout=30)
        if login:
            self.log_in(login)

    def log_in(self, login: str, password: str = PASSWORD) -> httpx.Response:
        self.http.get("/login/")
        answer = self.post("/login/", username=login, password=password)
        assert answer.status_code == 302, answer.text
        return answer

    def at(self, site: Site) -> Visitor:
        """Return the same browser, with its cookies, at another process."""
        moved = Visitor(site)
        moved.http.cookies = self.http.cookies
        return moved

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.http.get(path, **kwargs)

    def post(self, path: str, headers: dict[str, str] | None = None, **data: str) -> httpx.Response:
        if not self._csrf():
            self.http.get("/login/")
        return self.http.post(path, data=data, headers={"X-CSRFToken": self._csrf(), **(headers or {})})

    def _csrf(self) -> str:
        return next((cookie.value or "" for cookie in self.http.cookies.jar if "csrf" in cookie.name), "")

    @contextmanager
    def watching(self, webinar_id: int, query: str = "") -> Iterator[Stream]:
        """Hold the room's stream open while the block runs."""
        stream = Stream(self, webinar_id, query)
        try:
            eventually(lambda: stream.states or stream.status not in {0, 200})
            yield stream
        finally:
            stream.close()


class Stream:
    """One open event stream, read in a thread."""

    def __init__(self, visitor: Visitor, webinar_id: int, query: str = "") -> None:
        self.states: list[dict[str, Any]] = []
        self.status = 0
        self.ended = False
        cookie = "; ".join(f"{each.name}={each.value}" for each in visitor.http.cookies.jar)
        self._socket = self._connected(visitor.site.port)
        path = f"/account/webinar_room/{webinar_id}/stream{query}"
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def state(self) -> dict[str, Any]:
        """Return the latest state."""
        return self.states[-1]

    def until(self, **wanted: object) -> dict[str, Any]:
        """Wait for a state in which these fields have these values."""
        return eventually(
            lambda: (
                next((s for s in self.states if all(s.get(k) == v for k, v in wanted.items())), None) or {}
            )
        )

    def close(self) -> None:
        """Close the tab."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        self._thread.join(10)

    def hang_up(self) -> None:
        """Close the tab, and wait until the server has closed the connection, too."""
        self._socket.shutdown(socket.SHUT_WR)
        self._thread.join(WITHIN_S)
        assert self.ended
        self.close()

    def _connected(self, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=60)

    def _read(self) -> None:
        received = b""
        try:
            while chunk := self._socket.recv(65536):
                received += chunk
                self._parse(received)
                if received.endswith(b"0\r\n\r\n"):
                    break
        except OSError:
            pass
        self.ended = True

    def _parse(self, received: bytes) -> None:
        if match := re.match(rb"HTTP/1\.1 (\d+)", received):
            self.status = int(match[1])
        self.states = [json.loads(line) for line in re.findall(rb"^data: (\{.*\})$", received, re.MULTILINE)]
