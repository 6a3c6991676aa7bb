"""Requests a second at the pages that everybody opens, beside a bare "hello" on the same server.

The room's page stands beside itself through stock Django on stock uvicorn, too. All are measured in turns; the
connections are kept, and each asks again as soon as it has its answer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import django

django.setup()

from django.core.management import call_command  # noqa: E402  # after setup

from benchmarks.crowd import Crowd, crowd, request_for  # noqa: E402
from benchmarks.people import enrol, live_webinar, log_in, room_page, scheduled_webinar  # noqa: E402
from benchmarks.processes import Server, efir, free_port, running  # noqa: E402
from benchmarks.tables import median, ms, percentile, table  # noqa: E402

CONNECTIONS = 48
RUNS = 3
RUN_S = 3.0
WARM_S = 1.0


@dataclass
class Door:
    """One address at one server, and its figures of each run."""

    name: str
    server: Server
    requests: Sequence[str]
    per_s: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)

    def call(self, callers: Crowd, seconds: float) -> None:
        """One run."""
        answer = callers.do("call", port=self.server.port, requests=self.requests, seconds=seconds)
        if seconds == RUN_S:
            self.per_s.append(len(answer["took"]) / answer["seconds"])
            self.p99_s.append(percentile(answer["took"], 99))
            self.client.append(answer["cpu_s"] / answer["seconds"])


def main() -> None:
    """Print the table for this process's database."""
    call_command("migrate", verbosity=0)
    webinar = live_webinar()
    for _ in range(5):
        scheduled_webinar()
    cookies = log_in(enrol(CONNECTIONS))
    room = [request_for(room_page(webinar), cookie) for cookie in cookies]
    state = [request_for(f"/api/webinars/{webinar.pk}/state", cookie) for cookie in cookies]
    with efir("web") as ours, _bare("hello") as hello, _bare("django") as stock, crowd() as callers:
        doors = [
            Door("a bare hello (limit)", hello, [request_for("/")] * CONNECTIONS),
            Door("/webinars/, a guest", ours, [request_for("/webinars/")] * CONNECTIONS),
            Door("/api/webinars/<id>/state, logged in", ours, state),
            Door("the room's page, logged in", ours, room),
            Door("the room's page through stock Django (peer)", stock, room),
        ]
        for door in doors:
            door.call(callers, WARM_S)
        for number in range(RUNS):
            for door in doors if number % 2 else reversed(doors):
                door.call(callers, RUN_S)
    _print(doors)


def _bare(name: str) -> AbstractContextManager[Server]:
    port = free_port()
    return running([sys.executable, "-m", "benchmarks.bare", name, str(port)], port)


def _print(doors: Sequence[Door]) -> None:
    hello, stock = median(doors[0].per_s), median(doors[-1].per_s)
    table(
        f"Requests a second of one process, {CONNECTIONS} connections, medians of {RUNS} runs of {RUN_S:.0f} s",
        ["what", "requests/s", "of hello", "against stock Django", "p99, ms", "client's CPU, of a core"],
        [
            (
                door.name,
                f"{median(door.per_s):,.0f}",
                f"{median(door.per_s) / hello:.1%}",
                f"{median(door.per_s) / stock:.1f} ×" if door.requests is doors[-1].requests else "",
                ms(median(door.p99_s)),
                f"{median(door.client):.0%}",
            )
            for door in doors
        ],
    )


if __name__ == "__main__":
    main()
