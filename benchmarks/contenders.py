"""The ways to tell viewers of a change: Efir's process, nginx with nchan, and Efir without its taken-over connections.

Django must be set up before this is imported.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connections

from benchmarks import nchan
from benchmarks.crowd import Crowd, Heard, crowd, stream_request
from benchmarks.people import Speaker
from benchmarks.processes import Server, efir, free_port, running
from benchmarks.tables import median, percentile, warn
from efir.room.state import state_of
from efir.webinars.models import Webinar

EFIR, NCHAN, PLAIN = "Efir", "nginx with nchan (peer)", "plain ASGI, a coroutine a viewer"
WITHOUT_LINES = (
    "import django; django.setup(); import efir.server.web as s, sys\n"
    "from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol\n"
    "s.LineProtocol = HttpToolsProtocol\n"
    "from efir.ops.cli.main import main; sys.exit(main(['web']))"
)
WARM = 50  # streams that are open before memory is read: the first ones bring the server's own code in

# The marker of the next change, and how to ask for it.
Change = Callable[[], tuple[str, Callable[[], object]]]


@dataclass(frozen=True)
class Round:
    """One change as its viewers heard it, and the server's CPU time meanwhile."""

    heard: Heard
    server_cpu_s: float


@dataclass(frozen=True)
class Medians:
    """Of some rounds, in seconds; the first three since the change was asked for."""

    p50: float
    p99: float
    last: float
    spread: float
    server_cpu: float
    client_cpu: float

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> Medians:
        """The median of each figure by itself."""
        heard = [each.heard for each in rounds]
        return cls(
            *(median([percentile(each.after_s, percent) for each in heard]) for percent in (50, 99, 100)),
            median([each.spread_s for each in heard]),
            median([each.server_cpu_s for each in rounds]),
            median([each.cpu_s for each in heard]),
        )


@dataclass
class Contender:
    """One way: its server, its own load generator, and how a change is asked of it."""

    name: str
    server: Server
    crowd: Crowd
    requests: Sequence[tuple[int, str]]
    change: Change
    viewers: int = 0
    empty_kb: tuple[int, int] = (0, 0)
    full_kb: tuple[int, int] = (0, 0)
    medians: dict[int, Medians] = field(default_factory=dict)

    def fill(self, viewers: int) -> None:
        """Have so many viewers watching, and weigh the server."""
        if not self.viewers:
            self._open(WARM)
            self.ask()
            self.empty_kb = self._weighed()
        self._open(viewers)
        self.full_kb = self._weighed()

    def ask(self) -> Round:
        """One change, until everybody has heard of it."""
        marker, ask = self.change()
        before = self.server.cpu_s()
        heard = self.crowd.hear(marker, ask)
        if len(heard.after_s) < self.viewers:
            warn(f"{self.name}: {len(heard.after_s)} of {self.viewers} heard of a change")
        return Round(heard, self.server.cpu_s() - before)

    def kb_a_viewer(self) -> tuple[float, float]:
        """What a viewer adds to VmRSS and to PSS."""
        added = self.viewers - WARM
        rss, pss = (full - empty for full, empty in zip(self.full_kb, self.empty_kb, strict=True))
        return rss / added, pss / added

    def _open(self, viewers: int) -> None:
        answer = self.crowd.watch(self.requests[self.viewers : viewers])
        if answer["errors"]:
            warn(f"{self.name}: {answer['errors']}")
        self.viewers = answer["open"]

    def _weighed(self) -> tuple[int, int]:
        return self.server.rss_kb(), self.server.pss_kb()


def contenders(
    stack: ExitStack, webinar: Webinar, paths: Sequence[str], speaker: str, *, peers: bool
) -> Iterator[Contender]:
    """Start each with its load generator, until the stack is closed; Efir comes first.

    `paths` are the stream's requests, one for each viewer, and `speaker` is the Cookie header of theirs.
    """
    copied = stack.enter_context(_copied_data()) if peers else ""
    server = stack.enter_context(efir("web"))
    yield Contender(
        EFIR, server, stack.enter_context(crowd()), at(server, paths), pressed(webinar, server, speaker)
    )
    if peers and nchan.module():
        server = stack.enter_context(nchan.nchan(len(paths)))
        same = at(server, [stream_request("/stream")] * len(paths))
        yield Contender(NCHAN, server, stack.enter_context(crowd()), same, _published(webinar, server))
    elif peers:
        warn(nchan.MISSING)
    if peers:
        port = free_port()
        command = [sys.executable, "-c", WITHOUT_LINES]
        server = stack.enter_context(running(command, port, EFIR_PORT=str(port), EFIR_DATA_DIR=copied))
        yield Contender(
            PLAIN, server, stack.enter_context(crowd()), at(server, paths), pressed(webinar, server, speaker)
        )


def at(server: Server, paths: Sequence[str]) -> list[tuple[int, str]]:
    """The requests as a load generator takes them."""
    return [(server.port, path) for path in paths]


def pressed(webinar: Webinar, server: Server, cookie: str) -> Change:
    """The change as a speaker makes it."""
    speaker = Speaker(webinar, server.port, cookie)
    return lambda: (speaker.get_ready(), speaker.turn_cta)


def _published(webinar: Webinar, server: Server) -> Change:
    """A message of the same text, its version counted on."""
    publisher, state = nchan.Publisher(server.port), state_of(webinar, 0)

    def change() -> tuple[str, Callable[[], object]]:
        publisher.get_ready()
        state["version"] += 1
        text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
        return f'"version":{state["version"]},', lambda: publisher.say(text)

    change()[1]()  # who connects gets a message at once, as in Efir
    return change


@contextmanager
def _copied_data() -> Iterator[str]:
    """A second installation with the same people and sessions: on SQLite one process is the web."""
    connections.close_all()
    with tempfile.TemporaryDirectory(prefix="efir-bench-") as folder:
        copy = Path(folder) / "data"
        shutil.copytree(settings.EFIR.data_dir, copy)
        yield str(copy)
