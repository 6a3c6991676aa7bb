"""A rush: 3,000 people within a minute, half of them new, and the webinar starts in the middle of it.

New people follow a partner's link, sign up with a seat and open room and stream. The others log in, look at the
schedule and open room and stream. Everybody comes from an address of their own, at an even pace, and stays.
`--people 300 --seconds 6` is a short run at the same pace.
"""

from __future__ import annotations

import asyncio
import math
import time
from argparse import ArgumentParser
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import uvloop
from django.contrib.auth.hashers import make_password
from django.core.management import call_command

from benchmarks.load import raise_file_limit
from benchmarks.newcomers import PASSWORD, address_of, sign_up
from benchmarks.people import Speaker, create_people, log_in, room_page, room_stream, scheduled_webinar
from benchmarks.servers import Server, efir
from benchmarks.tables import ms, percentile, table
from benchmarks.visitors import FAILURES, Visitor
from efir.accounts.capabilities import Role
from efir.accounts.consent import consent_version
from efir.accounts.models import Person
from efir.webinars.models import Webinar

PEOPLE, SECONDS = 3000, 60.0
LIVE = b'"status":"live"'
HEARD_WITHIN_S = 30.0
PAGES = ("link", "login page", "schedule", "room")
# What is measured, its steps, and the most that 99 of 100 may wait.
LIMITS_S = {"pages": (PAGES, 1.0), "sign-up": (("sign-up",), 3.0), "login": (("login",), 3.0)}
HEARD_LIMIT_S = 1.0
MEMORY_LIMIT_MB = 250


@dataclass
class Rush:
    """The results: seconds by step, errors, and how long after the press each open stream told of the start."""

    took: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    heard: list[float] = field(default_factory=list)
    before_start: int = 0
    pressed_at: float = math.inf
    press_s: float = 0.0
    seconds: float = 0.0


def main(*arguments: str) -> None:
    """Print the table for this process's database."""
    parser = ArgumentParser(prog="python -m benchmarks rush")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    raise_file_limit()
    call_command("migrate", verbosity=0)
    webinar = scheduled_webinar()
    (partner,) = create_people(1, Role.PARTNER, "partner")
    (speaker,) = log_in(create_people(1, Role.SPEAKER, "speaker"))
    known = create_people(options.people // 2, consent_version=consent_version())
    # One salt for all: checking costs the same.
    Person.objects.filter(pk__in=[person.pk for person in known]).update(password=make_password(PASSWORD))
    with efir("web", EFIR_TRUSTED_PROXIES="1") as server:
        bench = _Bench(server, webinar, partner.ref_code, options.people, options.seconds)
        rush = uvloop.run(bench.run(Speaker(webinar, server.port, speaker)))
        memory_mb = server.peak_rss_kb() / 1024
    print_table(rush, options.people, options.seconds, memory_mb)


@dataclass
class _Bench:
    server: Server
    webinar: Webinar
    ref_code: str
    people: int
    within_s: float
    rush: Rush = field(default_factory=Rush)

    async def run(self, speaker: Speaker) -> Rush:
        began = time.monotonic()
        visitors = [asyncio.create_task(self._visit(number, began)) for number in range(self.people)]
        await asyncio.sleep(began + self.within_s / 2 - time.monotonic())
        await asyncio.to_thread(self._press_start, speaker)
        await asyncio.gather(*visitors)
        self.rush.seconds = time.monotonic() - began
        return self.rush

    def _press_start(self, speaker: Speaker) -> None:
        speaker.connect()
        self.rush.pressed_at = time.monotonic()
        speaker.press("start")
        self.rush.press_s = time.monotonic() - self.rush.pressed_at

    async def _visit(self, number: int, began: float) -> None:
        await asyncio.sleep(began + number * self.within_s / self.people - time.monotonic())
        visitor = Visitor(self.server.port, address_of(number))
        try:
            times = await (self._sign_up(visitor, number) if number % 2 else self._log_in(visitor, number))
            times["room"] = (await visitor.get(room_page(self.webinar))).took_s
            stream = await visitor.stream(room_stream(self.webinar))
            times["stream"] = stream.took_s
            for step, took_s in times.items():
                self.rush.took[step].append(took_s)
            if LIVE not in stream.first:
                self.rush.before_start += 1
                within_s = self.within_s + HEARD_WITHIN_S
                heard_at = await asyncio.wait_for(stream.hear(LIVE), within_s)
                self.rush.heard.append(heard_at - self.rush.pressed_at)
        except (*FAILURES, TimeoutError) as exc:
            self.rush.errors[str(exc) or type(exc).__name__] += 1

    async def _sign_up(self, visitor: Visitor, number: int) -> dict[str, float]:
        return await sign_up(visitor, self.webinar, self.ref_code, number)

    async def _log_in(self, visitor: Visitor, number: int) -> dict[str, float]:
        page = await visitor.get("/login/?next=/webinars/")
        answer = await visitor.post(
            "/login/", page, username=f"v{number // 2}", password=PASSWORD, next="/webinars/"
        )
        schedule = await visitor.get("/webinars/")
        return {"login page": page.took_s, "login": answer.took_s, "schedule": schedule.took_s}


def print_table(rush: Rush, people: int, within_s: float, memory_mb: float) -> None:
    """Print what was measured beside its limits."""
    rows = []
    for name, (steps, limit_s) in LIMITS_S.items():
        took = [each for step in steps for each in rush.took[step]]
        rows.append((name, f"{len(took):,}", *_times(took), f"p99 {ms(limit_s)}"))
    rows += [
        (f"of them: {step}", f"{len(rush.took[step]):,}", *_times(rush.took[step]), "") for step in PAGES
    ]
    rows.append(("stream", f"{len(rush.took['stream']):,}", *_times(rush.took["stream"]), ""))
    heard = f"{len(rush.heard):,} of {rush.before_start:,}"
    rows.append(("open streams told of the start", heard, *_times(rush.heard), f"last {ms(HEARD_LIMIT_S)}"))
    table(
        f"{people:,} people within {within_s:.0f} s, half of them new; the start is pressed in the middle",
        ["what", "answers", "p50, ms", "p99, ms", "last, ms", "limit, ms"],
        rows,
    )
    print(
        f"Errors: {dict(rush.errors) or 'none'}. Everybody was in after {rush.seconds:.1f} s. The press took "
        f"{ms(rush.press_s)} ms. Peak memory (VmHWM) {memory_mb:.0f} MB (limit {MEMORY_LIMIT_MB}).\n",
        flush=True,
    )


def _times(took: list[float]) -> tuple[str, ...]:
    return tuple(ms(percentile(took, percent)) for percent in (50, 99, 100))
