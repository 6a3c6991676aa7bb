"""Time until 9,000 viewers of one process get a change: Efir and nginx with nchan, alternately.

Efir gets the speaker's POST, with a transaction and a commit. nchan gets a message with the same text, which it only
passes on. On PostgreSQL Efir is measured alone, in one process and in two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from django.conf import settings
from django.core.management import call_command

from benchmarks import nchan
from benchmarks.load import SPARE_FILES, Heard, LoadGenerator, get_stream, load_generator, raise_file_limit
from benchmarks.people import Speaker, create_people, live_webinar, log_in, room_stream
from benchmarks.servers import Server, efir
from benchmarks.tables import median, ms, percentile, table, warn
from efir.accounts.capabilities import Role
from efir.room.state import state_of
from efir.webinars.models import Webinar

FEW, MANY = 1000, 9000
CHANGES = 5
WARM = 50  # streams that are open before memory is read: the first ones load the server's own code

# Returns the text by which the next change is known, and the function that asks for it.
Change = Callable[[], tuple[str, Callable[[], object]]]


@dataclass
class StreamServer:
    """A server with its own load generator, and how it is asked for a change."""

    name: str
    server: Server
    load: LoadGenerator
    requests: Sequence[str]
    change: Change
    open: int = 0
    empty_kb: tuple[int, int] = (0, 0)
    full_kb: tuple[int, int] = (0, 0)
    rounds: dict[int, list[tuple[Heard, float]]] = field(default_factory=dict)

    def watch(self, viewers: int) -> None:
        """Open streams until so many viewers watch, and read the server's memory before and after."""
        for count in (viewers,) if self.open else (WARM, viewers):
            answer = self.load.open_streams(
                [(self.server.port, each) for each in self.requests[self.open : count]]
            )
            if answer["errors"]:
                warn(f"{self.name}: {answer['errors']}")
            self.open = answer["open"]
            if count == WARM:
                self.ask()
                self.empty_kb = self.server.rss_kb(), self.server.pss_kb()
        self.full_kb = self.server.rss_kb(), self.server.pss_kb()

    def ask(self) -> tuple[Heard, float]:
        """Ask for a change. Return when it was heard, and the server's CPU seconds."""
        marker, ask = self.change()
        before = self.server.cpu_s()
        heard = self.load.hear(marker, ask)
        if len(heard.after_s) < self.open:
            warn(f"{self.name}: {len(heard.after_s)} of {self.open} heard of a change")
        return heard, self.server.cpu_s() - before

    def percentile(self, viewers: int, percent: float) -> float:
        """Return the median of the rounds' percentiles, in seconds."""
        return median([percentile(heard.after_s, percent) for heard, _cpu in self.rounds[viewers]])

    def kb_a_viewer(self) -> list[float]:
        """Return the growth of VmRSS and of PSS for each viewer."""
        pairs = zip(self.full_kb, self.empty_kb, strict=True)
        return [(full - empty) / (self.open - WARM) for full, empty in pairs]


def main() -> None:
    """Print the tables for this process's database."""
    call_command("migrate", verbosity=0)
    many = min(MANY, raise_file_limit() - SPARE_FILES)
    if many < MANY:
        warn(f"only {many} viewers fit into the limit of open files (ulimit -Hn)")
    webinar, cookies = live_webinar(), log_in(create_people(many))
    (speaker,) = log_in(create_people(1, Role.SPEAKER, "speaker"))
    requests = [get_stream(room_stream(webinar), cookie) for cookie in cookies]
    with ExitStack() as stack:
        server, load = stack.enter_context(efir("web")), stack.enter_context(load_generator())
        measured = [StreamServer("Efir", server, load, requests, pressed(webinar, server, speaker))]
        if settings.EFIR.is_sqlite and nchan.module():
            server, load = stack.enter_context(nchan.nchan(many)), stack.enter_context(load_generator())
            same = [get_stream("/stream")] * many
            measured.append(
                StreamServer("nginx with nchan (peer)", server, load, same, published(webinar, server))
            )
        elif settings.EFIR.is_sqlite:
            warn(nchan.MISSING)
        for viewers in (FEW, many):
            for each in measured:
                each.watch(viewers)
                each.ask()  # warms up
                each.rounds[viewers] = []
            for number in range(CHANGES):
                for each in measured if number % 2 else reversed(measured):
                    each.rounds[viewers].append(each.ask())
    print_tables(measured, many)
    if not settings.EFIR.is_sqlite:
        webinar.refresh_from_db()
        two_processes(webinar, requests, speaker, measured[0].percentile(many, 100))


def pressed(webinar: Webinar, server: Server, cookie: str) -> Change:
    """Change the state as a speaker does."""
    speaker = Speaker(webinar, server.port, cookie)
    return lambda: (speaker.connect(), speaker.toggle_cta)


def published(webinar: Webinar, server: Server) -> Change:
    """Publish a message with the same text and the next version."""
    publisher, state = nchan.Publisher(server.port), state_of(webinar, 0)

    def change() -> tuple[str, Callable[[], object]]:
        publisher.connect()
        state["version"] += 1
        text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
        return f'"version":{state["version"]},', lambda: publisher.publish(text)

    change()[1]()  # as in Efir, a new subscriber gets a message at once
    return change


def print_tables(measured: Sequence[StreamServer], many: int) -> None:
    """Print times and memory."""
    table(
        f"A change of state to the viewers of one process, ms after it was asked for: medians of {CHANGES} changes",
        [
            "stream",
            "viewers",
            "p50",
            "p99",
            "last",
            "last after the first",
            "server's CPU, ms",
            "client's CPU, ms",
        ],
        [
            (
                each.name,
                f"{viewers:,}",
                *(ms(each.percentile(viewers, percent)) for percent in (50, 99, 100)),
                ms(median([heard.spread_s for heard, _cpu in each.rounds[viewers]])),
                ms(median([cpu for _heard, cpu in each.rounds[viewers]])),
                ms(median([heard.cpu_s for heard, _cpu in each.rounds[viewers]])),
            )
            for viewers in (FEW, many)
            for each in measured
        ],
    )
    p99 = [each.percentile(many, 99) for each in measured]
    memory = [each.kb_a_viewer() for each in measured]
    table(
        f"{many:,} viewers of one process",
        ["stream", f"p99 at {many:,} against {FEW:,}", f"p99 at {many:,} against nchan",
         "kB a viewer (VmRSS)", "kB a viewer (PSS)", "memory against nchan"],
        [
            (
                each.name,
                f"{p99[number] / each.percentile(FEW, 99):.1f} ×",
                f"{p99[number] / p99[-1]:.2f} ×" if len(measured) > 1 else "",
                *(f"{kb:.1f}" for kb in memory[number]),
                f"{memory[number][0] / memory[-1][0]:.2f} ×" if len(measured) > 1 else "",
            )
            for number, each in enumerate(measured)
        ],
    )  # fmt: skip
    print(
        f"Memory: what all viewers but the first {WARM} added to the server's processes (of nginx: master and worker,\n"
        "with touched shared memory). The kernel's memory for the connections is in neither.\n",
        flush=True,
    )


def two_processes(webinar: Webinar, requests: Sequence[str], speaker: str, alone_last_s: float) -> None:
    """Measure half of the viewers on each of two processes: one is asked, the other is notified."""
    half = len(requests) // 2
    with efir("web") as asked, efir("web") as other, load_generator() as load:
        ports = [asked.port] * half + [other.port] * (len(requests) - half)
        answer = load.open_streams(list(zip(ports, requests, strict=True)))
        if answer["errors"]:
            warn(f"two processes: {answer['errors']}")
        change = pressed(webinar, asked, speaker)
        rounds = [load.hear(*change()) for _ in range(CHANGES + 1)][1:]
    rows = []
    for name, server in (("of the process that was asked", asked), ("of the other process", other)):
        heard = [each.by_port.get(server.port, []) for each in rounds]
        times = [median([percentile(each, percent) for each in heard]) for percent in (50, 99, 100)]
        rows.append((name, *map(ms, times), f"{times[2] / alone_last_s:.2f} ×"))
    table(
        f"Two web processes, {half:,} viewers each: ms after the change was asked of one, medians of {CHANGES}",
        ["viewers", "p50", "p99", "last", "last, against one process with all of them"],
        rows,
    )
