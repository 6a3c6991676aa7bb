"""Requests a second at the pages that everybody opens, beside a bare "hello" on the same server, in turns."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management import call_command

from benchmarks.load import get, load_generator
from benchmarks.people import create_people, live_webinar, log_in, room_page, scheduled_webinar
from benchmarks.servers import efir, free_port, running
from benchmarks.tables import median, ms, percentile, table

CONNECTIONS = 48  # each repeats its request as soon as it has the answer
RUNS = 3
RUN_S = 3.0
WARM_S = 1.0


def main() -> None:
    """Print the table for this process's database."""
    call_command("migrate", verbosity=0)
    webinar = live_webinar()
    for _ in range(5):
        scheduled_webinar()
    cookies = log_in(create_people(CONNECTIONS))
    port = free_port()
    with (
        efir("web") as web,
        running([sys.executable, "-m", "benchmarks.hello", str(port)], port) as hello,
        load_generator() as load,
    ):
        state = f"/api/webinars/{webinar.pk}/state"
        pages = {
            "a bare hello (limit)": (hello, [get("/")] * CONNECTIONS),
            "/webinars/, a guest": (web, [get("/webinars/")] * CONNECTIONS),
            "/api/webinars/<id>/state, logged in": (web, [get(state, cookie) for cookie in cookies]),
            "the room's page, logged in": (web, [get(room_page(webinar), cookie) for cookie in cookies]),
        }
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in pages}
        for server, requests in pages.values():
            load.call(server.port, requests, WARM_S)
        for number in range(RUNS):
            for name in pages if number % 2 else reversed(pages):
                server, requests = pages[name]
                found[name].append(load.call(server.port, requests, RUN_S))
    per_s = {
        name: median([len(run["took"]) / run["seconds"] for run in runs]) for name, runs in found.items()
    }
    limit = next(iter(per_s.values()))
    table(
        f"Requests a second of one process, {CONNECTIONS} connections, medians of {RUNS} runs of {RUN_S:.0f} s",
        ["what", "requests/s", "of hello", "p99, ms", "client's CPU, of a core"],
        [
            (
                name,
                per_s[name],
                f"{per_s[name] / limit:.1%}",
                ms(median([percentile(run["took"], 99) for run in runs])),
                f"{median([run['cpu_s'] / run['seconds'] for run in runs]):.0%}",
            )
            for name, runs in found.items()
        ],
    )
