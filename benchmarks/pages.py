"""Requests a second for the pages that everybody opens before a webinar, compared with a bare "hello".

In turns, so that the machine's noise meets all of them. `python -m benchmarks pages --seconds 1` is a quick look.
"""

from __future__ import annotations

import argparse
import socket
import sys
from typing import Any

from django.core.management import call_command

from benchmarks.load import HOST, Answer, LoadGenerator, get, load_generator
from benchmarks.people import CSRF_COOKIE, create_people, live_webinar, log_in, room_page, scheduled_webinar
from benchmarks.servers import Server, efir, running
from benchmarks.tables import median, ms, percentile, table
from efir.accounts.capabilities import Role
from efir.lib.sockets import free_port
from efir.webinars import core
from efir.webinars.models import Webinar

CONNECTIONS = 32  # each repeats its request as soon as it has the answer
RUNS = 5
WARM_S = 1.0
CANDIDATES = 50  # of the one partner

# A page's name, the requests of its connections, and what it must reach of hello (0: no aim).
Page = tuple[str, list[str], float]


def main(*arguments: str) -> None:
    """Print the table for this process's database."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks pages")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run (default: 3)")
    parser.add_argument("--only", default="", help="a part of the names of the pages to measure")
    options = parser.parse_args(arguments)
    run_s: float = options.seconds
    call_command("migrate", verbosity=0)
    pages = [page for page in _pages() if options.only in page[0]]
    port = free_port()
    hello: Page = ("a bare hello (limit)", [get("/")] * CONNECTIONS, 0)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in (hello, *pages)}
    with (
        efir("web") as web,
        running([sys.executable, "-m", "benchmarks.hello", str(port)], port) as limit,
        load_generator() as load,
    ):
        for page in pages:
            _check(web, page)
            _ask(load, web, page, WARM_S)
        for number in range(RUNS):
            for page in pages if number % 2 else reversed(pages):
                found[page[0]].append(_ask(load, web, page, run_s))
            found[hello[0]].append(_ask(load, limit, hello, run_s))
    _print(found, {name: aim for name, _, aim in pages}, run_s)


def _pages() -> list[Page]:
    live = live_webinar()
    ahead = [scheduled_webinar() for _ in range(5)]
    partner, *_ = create_people(1, Role.PARTNER, "partner")
    candidates = create_people(CANDIDATES, prefix="candidate", inviters=[partner])
    seated = create_people(CONNECTIONS, prefix="seated")
    for number, person in enumerate(seated):
        core.book_seat(ahead[number % 2].pk, person)
    of_roles = [person for role in Role for person in create_people(7, role, f"some-{role}")][:CONNECTIONS]

    def each(path: str, cookies: list[str]) -> list[str]:
        return [get(path, cookie) for cookie in cookies][:CONNECTIONS]

    guests, members, roles = [CSRF_COOKIE] * CONNECTIONS, log_in(candidates), log_in(of_roles)
    state = f"/api/webinars/{live.pk}/state"
    return [
        ("/webinars/, a guest", each("/webinars/", guests), 0.15),
        ("/webinars/?ref=…, a guest", each(f"/webinars/?ref={partner.ref_code}", guests), 0.15),
        ("/webinars/?utm_source=…, a guest", each("/webinars/?utm_source=vk", guests), 0.15),
        ("/webinars/, people of all roles", each("/webinars/", roles), 0.15),
        ("/webinars/?ref=…, people of all roles", each(f"/webinars/?ref={partner.ref_code}", roles), 0.15),
        ("/webinars/, people with seats", each("/webinars/", log_in(seated)), 0.15),
        ("/signup/", each("/signup/", guests), 0.15),
        ("/signup/?ref=…&webinar=…", each(_invitation(partner.ref_code, live), guests), 0.15),
        ("/signup/?ref=…, no cookie yet", [get(f"/signup/?ref={partner.ref_code}")] * CONNECTIONS, 0.15),
        ("/login/", each("/login/", guests), 0.15),
        ("/login/?next=…", each(f"/login/?next={room_page(live)}", guests), 0.15),
        ("the room's page", each(room_page(live), members), 0.3),
        ("/api/webinars/<id>/state", each(state, members), 0),
        ("/account/, a candidate", each("/account/", members), 0.007),
        (
            f"/account/, a partner with {CANDIDATES}",
            each("/account/", log_in([partner]) * CONNECTIONS),
            0.0035,
        ),
    ]


def _invitation(code: str, webinar: Webinar) -> str:
    return f"/signup/?ref={code}&webinar={webinar.pk}"


def _check(server: Server, page: Page) -> None:
    """Raise RuntimeError unless the page's first request is answered with 200."""
    with socket.create_connection((HOST, server.port)) as connection:
        connection.sendall(page[1][0].encode())
        head = connection.recv(100)
    if b" 200 " not in head:
        raise RuntimeError(f"{page[0]}: {head!r}")


def _ask(load: LoadGenerator, server: Server, page: Page, seconds: float) -> Answer:
    before = server.cpu_s()
    answer = load.call(server.port, page[1], seconds)
    return answer | {"server_cpu_s": (server.cpu_s() - before) / len(answer["took"])}


def _print(found: dict[str, list[dict[str, Any]]], aims: dict[str, float], run_s: float) -> None:
    per_s = {
        name: median([len(run["took"]) / run["seconds"] for run in runs]) for name, runs in found.items()
    }
    limit = next(iter(per_s.values()))
    table(
        f"Requests a second of one process, {CONNECTIONS} connections, medians of {RUNS} runs of {run_s:.0f} s",
        ["what", "requests/s", "of hello", "aim", "p99, ms", "server's CPU a request, ms"],
        [
            (
                name,
                per_s[name],
                f"{per_s[name] / limit:.2%}",
                f"{aims[name]:.2%}" if aims.get(name) else "",
                ms(median([percentile(run["took"], 99) for run in runs])),
                f"{median([run['server_cpu_s'] for run in runs]) * 1000:.3f}",
            )
            for name, runs in found.items()
        ],
    )
