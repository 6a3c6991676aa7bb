"""One installation for one evening: its processes, and their faults."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from tests.oracle.evening import Evening
from tests.oracle.jumping_clock import set_ahead
from tests.support.ports import free_port
from tests.support.site import Process, Site, eventually
from tools import postgres


class Installation:
    """Web processes by number, and on PostgreSQL a worker. On SQLite one process is everything."""

    def __init__(self, data_dir: Path, database_url: str, evening: Evening) -> None:
        settings = {
            "EFIR_GRACE_S": f"{evening.grace_s:g}",
            "EFIR_SETTLE_S": f"{evening.settle_s:g}",
            "EFIR_MIN_WATCHED": f"{evening.min_watched:g}",
            "EFIR_LOG_FORMAT": "json",
        }
        self.evening = evening
        self.site = Site(data_dir, database_url, **settings)
        self.places = [self.site, *(self.site.beside() for _ in range(evening.processes - 1))]
        # A fork server answers one at a time: restarts of web processes have their own.
        self._command_line, self._calling = self.site.beside(), Lock()
        self.clock = data_dir / "clock"
        set_ahead(self.clock, 0)
        self._has_clock = any(fault.kind == "clock" for fault in evening.faults)
        self.processes: list[Process] = []
        leads = [person.is_lead for person in evening.people]
        crowd = self._fill(sum(leads), len(leads) - sum(leads))
        self.webinar, self.csrf = int(crowd["webinar"]), str(crowd["csrf"])
        people = iter(crowd["people"])
        logins = {True: [next(people) for is_lead in leads if is_lead]}
        logins[False] = [next(people) for is_lead in leads if not is_lead]
        self.people: list[tuple[str, str]] = [tuple(logins[is_lead].pop(0)) for is_lead in leads]
        self.speaker: str = next(people)[1]

    def _fill(self, leads: int, others: int) -> dict[str, Any]:
        self.site.prepare()
        command = [sys.executable, "-m", "tests.oracle.crowd", str(leads), str(others)]
        done = subprocess.run(command, env=self.site.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    def start(self) -> None:
        """Start everything, and wait until it is healthy."""
        self.run("settings")  # the first call takes seconds
        if len(self.places) > 1:
            self.restart_worker()
        self.processes = [self.start_web(number) for number in range(len(self.places))]

    def start_web(self, number: int) -> Process:
        is_jumping = number == 0 and self._has_clock
        words = ["python", "-m", "tests.oracle.jumping_clock", str(self.clock)] if is_jumping else []
        return self.places[number].start(*words, "web" if len(self.places) > 1 else "serve")

    def restart_web(self, number: int) -> None:
        """Start a web process that has ended."""
        self.processes[number] = self.start_web(number)

    def restart_worker(self) -> None:
        with self._calling:
            self.worker = self._command_line.start("worker", wait=False)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call the command line; on SQLite it has the clock that jumps, too."""
        if self._has_clock and len(self.places) == 1:
            command = [sys.executable, "-m", "tests.oracle.jumping_clock", str(self.clock), *words]
            environ = self.site.environ
            return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        with self._calling:
            return self._command_line.run(*words)

    def lines(self, *words: str) -> list[dict[str, Any]]:
        """Return the lines that a listing prints."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def stop_database(self) -> None:
        """Kill the database server."""
        self._pg_ctl("-m", "immediate", "stop")

    def start_database(self) -> None:
        port = urlsplit(self.site.environ["EFIR_DATABASE_URL"]).port
        options = f"-h 127.0.0.1 -p {port} -k {self._data} -c fsync=off -c max_connections=200"
        self._pg_ctl("-o", options, "-l", str(Path(self._data) / "log"), "start")

    def note_database(self) -> None:
        """Ask the running server for its data directory, and keep the answer."""
        with self.site.database() as connection:
            (self._data,) = connection.execute("SHOW data_directory").fetchone() or ("",)

    def _pg_ctl(self, *words: str) -> None:
        postgres._run([postgres.binaries() / "pg_ctl", "-D", self._data, "-w", *words])

    def wait_for_verdicts(self, within_s: float) -> None:
        """Wait until the webinar is classified."""
        done = f"attendance_classification WHERE webinar_id = {self.webinar} AND done_at IS NOT NULL"
        eventually(lambda: self.site.count(done), within=within_s)

    def stop(self) -> None:
        """Stop everything that still runs, frozen or not."""
        for process in self.site.processes:
            process.send_signal(signal.SIGCONT)
        for place in (*self.places, self._command_line):
            place.stop()


@contextmanager
def database(is_postgres: bool) -> Iterator[str]:
    """Run a database server of the evenings' own, which they may stop; yield its address, empty for SQLite."""
    if not is_postgres:
        yield ""
        return
    with postgres.cluster(free_port()) as url:
        yield url
