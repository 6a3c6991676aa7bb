"""500 people log in within a minute from 50 addresses, while others try wrong passwords as fast as they are answered.

The flood comes from addresses of its own against many log-ins, half of them real ones. The limit is what this machine
hashes with all its cores and nothing else to do. People come at an even pace;
their time counts from when they were due.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlencode

import django

django.setup()

from django.conf import settings  # noqa: E402  # after setup
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.core.management import call_command  # noqa: E402

from benchmarks.people import CSRF, enrol  # noqa: E402
from benchmarks.processes import Server, efir  # noqa: E402
from benchmarks.tables import ms, percentile, table  # noqa: E402
from efir.accounts.models import Person  # noqa: E402
from efir.accounts.services import CONSENT_VERSION  # noqa: E402

PEOPLE, ADDRESSES, WITHIN_S = 500, 50, 60.0
FLOODERS = 40  # each on a connection of its own, asking again at once
FLOOD_ADDRESSES = 10
PASSWORD = "efir-bench-password"
HASHES = 200


@dataclass
class Night:
    """What came of one minute."""

    took: list[float] = field(default_factory=list)
    failed: Counter[int] = field(default_factory=Counter)
    flood: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0


def main() -> None:
    """Print the table for this process's database."""
    call_command("migrate", verbosity=0)
    people = enrol(PEOPLE, consent_version=CONSENT_VERSION)
    Person.objects.update(password=make_password(PASSWORD))  # one salt for all: hashing costs the same
    per_s = _hashes_per_s()
    with efir("web", EFIR_TRUSTED_PROXIES="1") as server:
        quiet = asyncio.run(_evening(server, people, flooders=0))
        flooded = asyncio.run(_evening(server, people, flooders=FLOODERS))
    _print(per_s, {"log-ins alone": quiet, "beside a flood of wrong passwords": flooded})


def _hashes_per_s() -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda _: make_password(PASSWORD), range(HASHES)))
    return HASHES / (time.perf_counter() - began)


async def _evening(server: Server, people: Sequence[Person], *, flooders: int) -> Night:
    night, began = Night(), time.monotonic()
    floods = [asyncio.create_task(_flood(server.port, number, night)) for number in range(flooders)]
    async with asyncio.TaskGroup() as group:
        for number, person in enumerate(people):
            due = began + number * WITHIN_S / len(people)
            group.create_task(_person(server.port, person.login, f"10.0.0.{number % ADDRESSES}", due, night))
    night.seconds = time.monotonic() - began
    for flood in floods:
        flood.cancel()
    await asyncio.gather(*floods, return_exceptions=True)
    return night


async def _person(port: int, login: str, address: str, due: float, night: Night) -> None:
    await asyncio.sleep(max(0.0, due - time.monotonic()))
    status = await _log_in(port, login, PASSWORD, address)
    if status == 302:
        night.took.append(time.monotonic() - due)
    else:
        night.failed[status] += 1


async def _flood(port: int, number: int, night: Night) -> None:
    tried = 0
    while True:
        tried += 1
        login = f"v{(number * 37 + tried) % PEOPLE}" if tried % 2 else f"nobody{number}-{tried}"
        status = await _log_in(port, login, f"wrong-{tried}", f"10.9.9.{number % FLOOD_ADDRESSES}")
        night.flood[status] += 1


async def _log_in(port: int, login: str, password: str, address: str) -> int:
    """The HTTP status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = urlencode({"username": login, "password": password, "csrfmiddlewaretoken": CSRF})
    head = (
        "POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept: text/html\r\n"
        f"X-Forwarded-For: {address}\r\nCookie: {settings.CSRF_COOKIE_NAME}={CSRF}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write((head + body).encode())
    try:
        answer = await reader.read()
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]) if answer else 0


def _print(hashes_per_s: float, nights: dict[str, Night]) -> None:
    table(
        f"{PEOPLE} log-ins within {WITHIN_S:.0f} s from {ADDRESSES} addresses; the flood: {FLOODERS} connections of "
        f"{FLOOD_ADDRESSES} others",
        ["what", "a minute", "p50, ms", "p99, ms", "failed", "flood, a minute", "of it refused unhashed"],
        [
            ("hashing alone, all cores (limit)", f"{hashes_per_s * 60:,.0f}", "", "", "", "", ""),
            *(
                (
                    name,
                    f"{len(night.took) / max(night.seconds, WITHIN_S) * 60:,.0f}",
                    ms(percentile(night.took, 50)),
                    ms(percentile(night.took, 99)),
                    str(sum(night.failed.values())),
                    f"{sum(night.flood.values()) / night.seconds * 60:,.0f}",
                    f"{night.flood[429] / max(1, sum(night.flood.values())):.0%}",
                )
                for name, night in nights.items()
            ),
        ],
    )


if __name__ == "__main__":
    main()
