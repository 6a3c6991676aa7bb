"""New people, 32 at once: a partner's link, sign-up with a seat, the room's page and its stream.

Each comes from an address of their own. The limit is what the machine hashes with all its cores and nothing else to do.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import uvloop
from django.contrib.auth.hashers import make_password
from django.core.management import call_command

from benchmarks.people import create_people, live_webinar, room_page, room_stream
from benchmarks.servers import efir
from benchmarks.tables import median, ms, percentile, seconds, table
from benchmarks.visitors import FAILURES, Visitor
from efir.accounts.capabilities import Role
from efir.webinars.models import Webinar

CONCURRENCY = 32
PEOPLE, WARM = 300, 64
RUNS = 5
HASHES = 200
PASSWORD = "efir-bench-password"
LIMIT = 0.4  # of hashing alone


@dataclass
class Arrivals:
    """What the visitors of one run saw: seconds by step, and errors."""

    took: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def main() -> None:
    """Print the table for this process's database."""
    call_command("migrate", verbosity=0)
    webinar = live_webinar()
    (partner,) = create_people(1, Role.PARTNER, "partner")
    numbers = iter(range(1_000_000))
    hashes, runs = [], []
    with efir("web", EFIR_TRUSTED_PROXIES="1") as server:
        uvloop.run(arrive(server.port, webinar, partner.ref_code, numbers, WARM))
        for _ in range(RUNS):
            hashes.append(hashes_per_s())
            runs.append(uvloop.run(arrive(server.port, webinar, partner.ref_code, numbers, PEOPLE)))
        rss_mb = server.rss_kb() / 1024
    steps = ("link", "sign-up", "room", "stream")
    times = {
        step: [ms(median([percentile(run.took[step], at) for run in runs])) for at in (50, 99)]
        for step in steps
    }
    per_s = [len(run.took["stream"]) / run.seconds for run in runs]
    share = median([each / alone for each, alone in zip(per_s, hashes, strict=True)])
    table(
        f"New people, {CONCURRENCY} at once, each from an address of their own: medians of {RUNS} runs of {PEOPLE}",
        ["what", "people/s", "of hashing alone", *(f"{step} p50 / p99, ms" for step in steps), "errors"],
        [
            ("hashing alone, all cores", f"{median(hashes):.1f}", "", "", "", "", "", ""),
            (
                f"link → sign-up → room → stream (at least {LIMIT})",
                f"{median(per_s):.1f}",
                f"{share:.2f}",
                *(" / ".join(times[step]) for step in steps),
                dict(sum((run.errors for run in runs), Counter())) or "none",
            ),
        ],
    )
    print(f"The server's VmRSS afterwards: {rss_mb:.0f} MB.\n", flush=True)


def hashes_per_s() -> float:
    """Return how many passwords a second this machine hashes with all its cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return HASHES / seconds(lambda: list(pool.map(make_password, [PASSWORD] * HASHES)))


async def arrive(port: int, webinar: Webinar, ref_code: str, numbers: Iterator[int], count: int) -> Arrivals:
    """Let so many new people come, `CONCURRENCY` at a time, and leave once they have their stream."""
    arrivals, left = Arrivals(), iter(range(count))

    async def come_in_turn() -> None:
        for _ in left:
            await come(port, webinar, ref_code, next(numbers), arrivals)

    began = time.monotonic()
    await asyncio.gather(*(come_in_turn() for _ in range(CONCURRENCY)))
    arrivals.seconds = time.monotonic() - began
    return arrivals


async def come(port: int, webinar: Webinar, ref_code: str, number: int, arrivals: Arrivals) -> None:
    """Bring one new person from the link to the stream, and let them leave."""
    visitor = Visitor(port, address_of(number))
    try:
        times = await sign_up(visitor, webinar, ref_code, number)
        times["room"] = (await visitor.get(room_page(webinar))).took_s
        times["stream"] = (await visitor.stream(room_stream(webinar))).took_s
    except FAILURES as exc:
        arrivals.errors[str(exc) or type(exc).__name__] += 1
    else:
        for step, took_s in times.items():
            arrivals.took[step].append(took_s)
    finally:
        visitor.close()


async def sign_up(visitor: Visitor, webinar: Webinar, ref_code: str, number: int) -> dict[str, float]:
    """Open a partner's link and sign up for the webinar. Return the seconds of both steps. Raises UnexpectedAnswer."""
    page = await visitor.get(f"/signup/?ref={ref_code}&webinar={webinar.pk}")
    answer = await visitor.post(
        "/signup/",
        page,
        name=f"Newcomer {number}",
        username=f"newcomer{number}@example.org",
        password=PASSWORD,
        consent="on",
        webinar=str(webinar.pk),
        ref=ref_code,
    )
    return {"link": page.took_s, "sign-up": answer.took_s}


def address_of(number: int) -> str:
    """Return an address that nobody else of the run has."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
