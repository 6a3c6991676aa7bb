"""500 people log in within a minute from 50 addresses, alone and beside a flood of wrong passwords.

The flood comes from other addresses, tries many logins, half of them real ones, and repeats as soon as it is answered.
People come at an even pace; their time counts from when they were due. The limit is what the machine hashes with all
its cores and nothing else to do.
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

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management import call_command

from benchmarks.people import CSRF, create_people
from benchmarks.servers import efir
from benchmarks.tables import ms, percentile, seconds, table
from efir.accounts.consent import consent_version
from efir.accounts.models import Person

PEOPLE, ADDRESSES, WITHIN_S = 500, 50, 60.0
FLOOD_CONNECTIONS = 40
FLOOD_ADDRESSES = 10
PASSWORD = "efir-bench-password"
HASHES = 200


@dataclass
class Minute:
    """The results of one minute."""

    took: list[float] = field(default_factory=list)
    failed: Counter[int] = field(default_factory=Counter)  # HTTP status → logins
    flood: Counter[int] = field(default_factory=Counter)  # HTTP status → tries
    seconds: float = 0.0


def main() -> None:
    """Print the table for this process's database."""
    call_command("migrate", verbosity=0)
    people = create_people(PEOPLE, consent_version=consent_version())
    Person.objects.update(password=make_password(PASSWORD))  # one salt for all: checking costs the same
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes_per_s = HASHES / seconds(lambda: list(pool.map(make_password, [PASSWORD] * HASHES)))
    with efir("web", EFIR_TRUSTED_PROXIES="1") as server:
        alone = asyncio.run(one_minute(server.port, people, flood=0))
        flooded = asyncio.run(one_minute(server.port, people, flood=FLOOD_CONNECTIONS))
    table(
        f"{PEOPLE} logins within {WITHIN_S:.0f} s from {ADDRESSES} addresses; the flood: {FLOOD_CONNECTIONS} "
        f"connections of {FLOOD_ADDRESSES} others",
        ["what", "a minute", "p50, ms", "p99, ms", "failed", "flood, a minute", "of it refused unhashed"],
        [
            ("hashing alone, all cores (limit)", hashes_per_s * 60, "", "", "", "", ""),
            *(
                (
                    name,
                    len(minute.took) / max(minute.seconds, WITHIN_S) * 60,
                    ms(percentile(minute.took, 50)),
                    ms(percentile(minute.took, 99)),
                    minute.failed.total(),
                    minute.flood.total() / minute.seconds * 60,
                    f"{minute.flood[429] / max(1, minute.flood.total()):.0%}",
                )
                for name, minute in (("logins alone", alone), ("beside a flood of wrong passwords", flooded))
            ),
        ],
    )


async def one_minute(port: int, people: Sequence[Person], *, flood: int) -> Minute:
    """Log everybody in at an even pace, beside so many connections with wrong passwords."""
    minute, began = Minute(), time.monotonic()

    async def person(number: int, login: str) -> None:
        due = began + number * WITHIN_S / len(people)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        status = await log_in(port, login, PASSWORD, f"10.0.0.{number % ADDRESSES}")
        if status == 302:
            minute.took.append(time.monotonic() - due)
        else:
            minute.failed[status] += 1

    async def attacker(number: int) -> None:
        tries = 0
        while True:
            tries += 1
            login = f"v{(number * 37 + tries) % PEOPLE}" if tries % 2 else f"nobody{number}-{tries}"
            address = f"10.9.9.{number % FLOOD_ADDRESSES}"
            minute.flood[await log_in(port, login, f"wrong-{tries}", address)] += 1

    attackers = [asyncio.create_task(attacker(number)) for number in range(flood)]
    await asyncio.gather(*(person(number, each.login) for number, each in enumerate(people)))
    minute.seconds = time.monotonic() - began
    for each in attackers:
        each.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    return minute


async def log_in(port: int, login: str, password: str, address: str) -> int:
    """Post the login form. Return the HTTP status, 0 if the connection was closed without an answer."""
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
