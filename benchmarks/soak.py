"""A season in ten minutes: webinar after webinar with 2,000 viewers who come and go, on a clock twelve times as fast.

After each of them, with everything judged and sent, what the server's process holds: it must not grow.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

SPEED = 12.0
SLOT_S = 30.0  # one webinar: six minutes by the hastened clock
VIEWERS, ABSENT = 2000, 200
LINKED_EVERY = 11
PARTNERS = 20
TOKEN = "42:bench"
GRACE_S, SETTLE_S = 90.0, 60.0  # by the hastened clock
# Of a webinar's time. Who leaves is away for longer than the grace, however late a busy machine lets them go.
AWAY = 1.4 * GRACE_S / SPEED / SLOT_S
WITHIN_S = 120.0
# What it may hold more after the last webinar than after the first, in all and for each: noise of the allocator.
MORE_MB, MORE_MB_EACH = 12.0, 0.5

os.environ |= {
    "EFIR_TELEGRAM_TOKEN": TOKEN,
    "EFIR_TELEGRAM_RATE": "1000",
    "EFIR_GRACE_S": f"{GRACE_S:g}",
    "EFIR_SETTLE_S": f"{SETTLE_S:g}",
}

import django  # noqa: E402  # after the environment

django.setup()

import httpx  # noqa: E402  # after setup
from django.core.management import call_command  # noqa: E402

from benchmarks.crowd import Crowd, crowd, stream_request  # noqa: E402
from benchmarks.hastened import hasten  # noqa: E402
from benchmarks.people import SYSTEM, Speaker, enrol, log_in, room_stream  # noqa: E402
from benchmarks.processes import Server, free_port, running  # noqa: E402
from benchmarks.tables import table, warn  # noqa: E402
from efir import fake_botapi  # noqa: E402
from efir.accounts.capabilities import Role  # noqa: E402
from efir.accounts.models import Person  # noqa: E402
from efir.attendance.models import Classification, Verdict  # noqa: E402
from efir.lib import clock  # noqa: E402
from efir.telegram.models import OutboxMessage, TelegramChat  # noqa: E402
from efir.webinars import core  # noqa: E402
from efir.webinars.models import Seat, Webinar  # noqa: E402

# Of ten viewers: who is there from the start, who goes and comes back, who goes for good, and who comes late.
STAY, RETURN, LEAVE, LATE = range(6), [6], [7, 8], [9]
EXPECTED = {
    "stayed_to_end": VIEWERS * (len(STAY) + len(RETURN) + len(LATE)) // 10,
    "left_early": VIEWERS * len(LEAVE) // 10,
    "no_show": ABSENT,
}


@dataclass(frozen=True)
class Held:
    """What the server's process holds."""

    rss_mb: float
    files: int
    databases: int
    threads: int
    tasks: int


class Season:
    """The server, the people, and what was found wrong."""

    def __init__(self, server: Server, fake_bot_api: fake_botapi.FakeBotApi) -> None:
        self.server, self.fake_bot_api = server, fake_bot_api
        self.people = _people(fake_bot_api)
        self.requests = log_in(self.people)
        (self.speaker,) = log_in(enrol(1, Role.SPEAKER, "speaker"))
        self.wrong: list[str] = []

    def hold(self, number: int) -> Webinar:
        """One webinar, until everything about it is judged and sent."""
        webinar = self._scheduled(number)
        speaker = Speaker(webinar, self.server.port, self.speaker)
        began = time.monotonic()
        with ExitStack() as there, ExitStack() as for_good, ExitStack() as for_a_while:
            self._come(webinar, there, STAY)
            self._come(webinar, for_good, LEAVE)
            self._come(webinar, for_a_while, RETURN)
            _press(speaker, "start")
            _sleep_until(began, 0.2)
            for_a_while.close()
            for_good.close()
            self._await_viewers(webinar, STAY)
            gone = time.monotonic()
            _sleep_until(began, 0.25)
            self._come(webinar, there, [*RETURN, *LATE])
            _sleep_until(gone, AWAY)
            _sleep_until(began, 0.55)
            core.publish_recording(webinar.pk, "https://rutube.ru/video/1/", SYSTEM)
            webinar.refresh_from_db()
            speaker.version = webinar.version
            _press(speaker, "stop")
        self._check(number, webinar)
        _sleep_until(began, 1.0)
        return webinar

    def _scheduled(self, number: int) -> Webinar:
        fields = {
            "title": f"Эфир №{number}.",
            "starts_at": clock.now(),
            "player_url": "https://rutube.ru/video/1",
        }
        webinar = core.publish(core.create(fields, SYSTEM).pk, SYSTEM)
        Seat.objects.bulk_create(
            [Seat(webinar=webinar, person=person, booked_at=clock.now()) for person in self.people[VIEWERS:]]
        )
        return webinar

    def _come(self, webinar: Webinar, stack: ExitStack, tens: range | list[int]) -> None:
        """A crowd of their own: they leave together when the stack is closed."""
        group: Crowd = stack.enter_context(crowd())
        path, port = room_stream(webinar), self.server.port
        who = [cookie for n, cookie in enumerate(self.requests[:VIEWERS]) if n % 10 in tens]
        answer = group.watch([(port, stream_request(path, cookie)) for cookie in who])
        if answer["errors"]:
            self.wrong.append(f"{webinar.title}: streams: {answer['errors']}")

    def _await_viewers(self, webinar: Webinar, tens: range) -> None:
        """Until the server has seen that only these are left."""
        viewers, left = f'efir_viewers{{webinar="{webinar.pk}"}}', VIEWERS * len(tens) // 10
        if not _is_so_soon(lambda: _metric(self.server.port, viewers) == left):
            self.wrong.append(f"{webinar.title}: who left is still there after {WITHIN_S:.0f} s")

    def _check(self, number: int, webinar: Webinar) -> None:
        done = Classification.objects.filter(webinar=webinar).exclude(done_at=None)
        moving = OutboxMessage.objects.filter(webinar=webinar, state__in=["queued", "sending"])
        if not _is_so_soon(lambda: done.exists() and not moving.exists()):
            self.wrong.append(f"{webinar.title}: not judged and sent within {WITHIN_S:.0f} s")
        reasons = Counter(Verdict.objects.filter(webinar=webinar).values_list("reason", flat=True))
        if reasons != EXPECTED:
            self.wrong.append(f"{webinar.title}: verdicts {dict(reasons)}, expected {EXPECTED}")

    def holds(self) -> Held:
        """Asked in the same state each time: nobody in the room, nothing on its way."""
        process = Path(f"/proc/{self.server.process.pid}")
        files = [str(path.readlink()) for path in _links(process / "fd")]
        return Held(
            self.server.rss_kb() / 1024,
            len(files),
            sum("efir.sqlite3" in file for file in files),
            len(list((process / "task").iterdir())),
            int(_metric(self.server.port, "efir_asyncio_tasks")),
        )

    def twice(self, webinars: list[Webinar]) -> int:
        """How many messages came twice or not at all, as those who read the chats see it."""
        texts: dict[int, str] = {}
        for sent in list(self.fake_bot_api.sent):
            chat = sent.message["chat"]["id"]
            texts[chat] = texts.get(chat, "") + "\n" + sent.message["text"]
        linked = [person for person in self.people if person.invited_by_id]
        counts = [texts.get(lead.pk, "").count(webinar.title) for lead in linked for webinar in webinars]
        names = [texts.get(lead.invited_by_id or 0, "").count(lead.name) for lead in linked]
        return sum(count != 1 for count in counts) + sum(count != len(webinars) for count in names)


def _links(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if path.is_symlink():  # not gone meanwhile
            yield path


def _metric(port: int, name: str) -> float:
    """One figure of `/metrics`; its name comes with the labels."""
    told = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    (line,) = [line for line in told if line.startswith(f"{name} ")]
    return float(line.split()[1])


def _people(fake_bot_api: fake_botapi.FakeBotApi) -> list[Person]:
    """Everybody; each eleventh is invited by a partner, and linked as the partner is."""
    partners = enrol(PARTNERS, Role.PARTNER, "partner")
    each = (VIEWERS + ABSENT) // LINKED_EVERY // PARTNERS
    linked = [
        person
        for n, partner in enumerate(partners)
        for person in enrol(each, prefix=f"l{n}-", invited_by=partner)
    ]
    people = enrol(VIEWERS + ABSENT - len(linked))
    for number, person in enumerate(linked):
        people.insert(number * LINKED_EVERY, person)
    for number, person in enumerate(people):
        person.name = f"Зритель {number:04d}"
    Person.objects.bulk_update(people, ["name"], batch_size=500)
    TelegramChat.objects.bulk_create(
        [TelegramChat(person=person, chat_id=person.pk) for person in [*partners, *linked]]
    )
    for person in [*partners, *linked]:
        fake_bot_api.people.add(person.pk, person.name)
    return people


def _press(speaker: Speaker, button: str) -> None:
    speaker.get_ready()
    speaker.press(button)


def _sleep_until(began: float, share: float) -> None:
    """Until this share of the webinar's time is over."""
    time.sleep(max(0.0, began + share * SLOT_S - time.monotonic()))


def _is_so_soon(condition) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while not (so := condition()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return bool(so)


@contextmanager
def _hastened() -> Iterator[tuple[Server, fake_botapi.FakeBotApi]]:
    """`efir serve` and this process on one fast clock, and a Bot API."""
    began, port = time.time(), free_port()
    hasten(began, SPEED)
    fake_bot_api = fake_botapi.FakeBotApi(tokens={TOKEN})
    command = [sys.executable, "-m", "benchmarks.hastened", str(began), str(SPEED), "serve"]
    with (
        fake_botapi.running(fake_bot_api) as address,
        running(command, port, EFIR_PORT=str(port), EFIR_TELEGRAM_API=address) as server,
    ):
        yield server, fake_bot_api


def _grown(held: list[Held]) -> list[str]:
    """What holds more after the last webinar than after the first."""
    first, last = held[0], held[-1]
    found = [
        f"{name}: {getattr(first, name)} after the first webinar, {getattr(last, name)} after the last"
        for name in ("files", "databases", "threads", "tasks")
        if getattr(last, name) > max(getattr(each, name) for each in held[: max(1, len(held) // 4)])
    ]
    if last.rss_mb - first.rss_mb > MORE_MB or _slope(held) > MORE_MB_EACH:
        found.append(
            f"memory: {first.rss_mb:.1f} MB, then {last.rss_mb:.1f} MB, {_slope(held):.2f} MB a webinar"
        )
    return found


def _slope(held: list[Held]) -> float:
    """MB a webinar, by least squares over all but the first."""
    later = [each.rss_mb for each in held[1:]]
    return statistics.linear_regression(range(len(later)), later).slope if len(later) > 1 else 0.0


def main() -> int:
    """Hold them and print the table; 1 where something grew or went wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long it lasts: 30 s a webinar")
    count = max(1, round(parser.parse_args().seconds / SLOT_S))
    call_command("migrate", verbosity=0)
    held: list[Held] = []
    webinars: list[Webinar] = []
    with _hastened() as (server, fake_bot_api):
        season = Season(server, fake_bot_api)
        before, cpu_s, began = season.holds(), server.cpu_s(), time.monotonic()
        for number in range(1, count + 1):
            webinars.append(season.hold(number))
            held.append(season.holds())
        lasted, cpu_s = time.monotonic() - began, server.cpu_s() - cpu_s
        unread = season.twice(webinars)
        sent = len(fake_bot_api.sent)
    _print(before, held)
    wrong = [*season.wrong, *_grown(held), *([f"{unread} messages twice or not at all"] if unread else [])]
    print(
        f"{count} webinars in {lasted:.0f} s ({lasted * SPEED / 60:.0f} min by the hastened clock), "
        f"{cpu_s:.0f} s of CPU: "
        f"{count * (VIEWERS + ABSENT):,} verdicts, {sent:,} messages to {PARTNERS} partners and "
        f"{(VIEWERS + ABSENT) // LINKED_EVERY} candidates, {_slope(held):+.2f} MB a webinar after the first. "
        f"Wrong: {len(wrong) or 'nothing'}.\n"
    )
    for each in wrong:
        warn(each)
    return int(bool(wrong))


def _print(before: Held, held: list[Held]) -> None:
    marks = sorted(
        {0, 1, len(held) // 4, len(held) // 2, len(held) * 3 // 4, len(held) - 1} & {*range(len(held))}
    )
    rows = [("before", before), *((f"{mark + 1}", held[mark]) for mark in marks)]
    table(
        f"Webinar after webinar, {VIEWERS:,} viewers come and go in each; what the server holds after it",
        ["after webinar", "VmRSS, MB", "open files", "of them the database's", "threads", "tasks"],
        [(name, f"{h.rss_mb:.1f}", h.files, h.databases, h.threads, h.tasks) for name, h in rows],
    )


if __name__ == "__main__":
    sys.exit(main())
