"""Many webinars in ten minutes: one after the other with 2,000 viewers, on a clock that runs twelve times as fast.

After each webinar, with everybody classified and everything sent, the resources of the server's process must not have
grown. `--seconds 60` runs fewer webinars.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path

import httpx
from django.conf import settings
from django.core.management import call_command

from benchmarks.fast_clock import speed_up
from benchmarks.load import get_stream, load_generator
from benchmarks.people import (
    SYSTEM,
    Speaker,
    create_people,
    log_in,
    open_broadcast,
    room_stream,
    scheduled_webinar,
)
from benchmarks.servers import Server, running
from benchmarks.tables import table, warn
from efir import fake_botapi
from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.attendance.models import Classification, Verdict
from efir.lib import clock
from efir.lib.sockets import free_port
from efir.telegram.models import OutboxMessage, TelegramChat
from efir.webinars import core
from efir.webinars.models import Seat, Webinar

SPEED = 12.0
SLOT_S = 30.0  # one webinar: six minutes by the fast clock
VIEWERS, ABSENT = 2000, 200
LINKED_EVERY = 11
PARTNERS = 20
# Longer than the grace period, however late a busy machine lets people go; a part of SLOT_S.
AWAY = 1.4 * settings.EFIR.grace_s / SPEED / SLOT_S
WITHIN_S = 120.0
# Allowed growth from the first webinar to the last, in all and for each: noise of the allocator.
MORE_MB, MORE_MB_EACH = 12.0, 0.5
# Of ten viewers: who stays from the start, goes and comes back, leaves for good, comes late.
STAY, RETURN, LEAVE, LATE = range(6), [6], [7, 8], [9]
EXPECTED = {
    "stayed_to_end": VIEWERS * (len(STAY) + len(RETURN) + len(LATE)) // 10,
    "left_early": VIEWERS * len(LEAVE) // 10,
    "no_show": ABSENT,
}


@dataclass(frozen=True)
class Usage:
    """The resources of the server's process."""

    rss_mb: float
    files: int
    databases: int
    threads: int
    tasks: int


class Season:
    """The server, its people, and what went wrong."""

    def __init__(self, server: Server, fake_bot_api: fake_botapi.FakeBotApi) -> None:
        self.server = server
        self.people = create_cast(fake_bot_api)
        self.cookies = log_in(self.people)
        (self.speaker,) = log_in(create_people(1, Role.SPEAKER, "speaker"))
        self.wrong: list[str] = []

    def hold(self, number: int) -> Webinar:
        """Hold one webinar until everybody has a verdict and everything is sent."""
        webinar = scheduled_webinar(f"Эфир №{number}.")
        absent = self.people[VIEWERS:]
        Seat.objects.bulk_create(
            [Seat(webinar=webinar, person=each, booked_at=clock.now()) for each in absent]
        )
        open_broadcast(webinar, self.people[:VIEWERS])
        speaker = Speaker(webinar, self.server.port, self.speaker)
        began = time.monotonic()
        with ExitStack() as present, ExitStack() as for_good, ExitStack() as for_a_while:
            self.come(webinar, present, STAY)
            self.come(webinar, for_good, LEAVE)
            self.come(webinar, for_a_while, RETURN)
            speaker.connect()
            speaker.press("start")
            sleep_until(began, 0.2)
            for_a_while.close()
            for_good.close()
            viewers, left = f'efir_viewers{{webinar="{webinar.pk}"}}', VIEWERS * len(STAY) // 10
            if not wait_for(lambda: self.metric(viewers) == left):
                self.wrong.append(f"{webinar.title}: people who left still count after {WITHIN_S:.0f} s")
            gone = time.monotonic()
            sleep_until(began, 0.25)
            self.come(webinar, present, [*RETURN, *LATE])
            sleep_until(gone, AWAY)
            sleep_until(began, 0.55)
            core.publish_recording(webinar.pk, "https://rutube.ru/video/1/", SYSTEM)
            webinar.refresh_from_db()
            speaker.version = webinar.version
            speaker.connect()
            speaker.press("stop")
        done = Classification.objects.filter(webinar=webinar).exclude(done_at=None)
        moving = OutboxMessage.objects.filter(webinar=webinar, state__in=["queued", "sending"])
        if not wait_for(lambda: done.exists() and not moving.exists()):
            self.wrong.append(f"{webinar.title}: not classified and sent within {WITHIN_S:.0f} s")
        reasons = Counter(Verdict.objects.filter(webinar=webinar).values_list("reason", flat=True))
        if reasons != EXPECTED:
            self.wrong.append(f"{webinar.title}: verdicts {dict(reasons)}, expected {EXPECTED}")
        sleep_until(began, 1.0)
        return webinar

    def come(self, webinar: Webinar, stack: ExitStack, tens: Iterable[int]) -> None:
        """Let a part of the viewers come; they leave together when the stack is closed."""
        load = stack.enter_context(load_generator())
        chosen = set(tens)
        cookies = [cookie for n, cookie in enumerate(self.cookies[:VIEWERS]) if n % 10 in chosen]
        path = room_stream(webinar)
        answer = load.open_streams([(self.server.port, get_stream(path, cookie)) for cookie in cookies])
        if answer["errors"]:
            self.wrong.append(f"{webinar.title}: streams: {answer['errors']}")

    def usage(self) -> Usage:
        """Return what the server holds; nobody is in the room, nothing is on its way."""
        process = Path(f"/proc/{self.server.process.pid}")
        files = [str(path.readlink()) for path in (process / "fd").iterdir() if path.is_symlink()]
        return Usage(
            self.server.rss_kb() / 1024,
            len(files),
            sum("efir.sqlite3" in file for file in files),
            len(list((process / "task").iterdir())),
            int(self.metric("efir_asyncio_tasks")),
        )

    def metric(self, name: str) -> float:
        """Return a value of `/metrics`; `name` includes the labels."""
        lines = httpx.get(f"http://127.0.0.1:{self.server.port}/metrics").text.splitlines()
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        return float(line.split()[1])


def main(_option: str = "--seconds", seconds: str = "600") -> int:
    """Run the series and print the table. Return 1 if something grew or went wrong."""
    count = max(1, round(float(seconds) / SLOT_S))
    call_command("migrate", verbosity=0)
    fake_bot_api = fake_botapi.FakeBotApi(tokens={settings.EFIR.telegram_token})
    began, port = time.time(), free_port()
    speed_up(began, SPEED)
    command = [sys.executable, "-m", "benchmarks.fast_clock", str(began), str(SPEED), "serve"]
    with (
        fake_botapi.running(fake_bot_api) as address,
        running(command, port, EFIR_PORT=str(port), EFIR_TELEGRAM_API=address) as server,
    ):
        season = Season(server, fake_bot_api)
        before, cpu_s, began = season.usage(), server.cpu_s(), time.monotonic()
        webinars: list[Webinar] = []
        used: list[Usage] = []
        for number in range(1, count + 1):
            webinars.append(season.hold(number))
            used.append(season.usage())
        lasted, cpu_s = time.monotonic() - began, server.cpu_s() - cpu_s
    wrong = [*season.wrong, *growth(used)]
    if unread := not_once(fake_bot_api, season.people, webinars):
        wrong.append(f"{unread} messages twice or not at all")
    shown = sorted({0, 1, *(count * part // 4 for part in (1, 2, 3)), count - 1} & {*range(count)})
    rows = [("before", before), *((str(number + 1), used[number]) for number in shown)]
    table(
        f"Webinar after webinar, {VIEWERS:,} viewers come and go in each; what the server holds after it",
        ["after webinar", "VmRSS, MB", "open files", "of them the database's", "threads", "tasks"],
        [(name, f"{usage.rss_mb:.1f}", *astuple(usage)[1:]) for name, usage in rows],
    )
    print(
        f"{count} webinars in {lasted:.0f} s ({lasted * SPEED / 60:.0f} min by the fast clock), {cpu_s:.0f} s of CPU: "
        f"{count * (VIEWERS + ABSENT):,} verdicts, {len(fake_bot_api.sent):,} messages, {slope(used):+.2f} MB a "
        f"webinar after the first. Wrong: {len(wrong) or 'nothing'}.\n"
    )
    for each in wrong:
        warn(each)
    return int(bool(wrong))


def create_cast(fake_bot_api: fake_botapi.FakeBotApi) -> list[Person]:
    """Create everybody; each eleventh is invited by a partner and has a chat, as the partners have."""
    partners = create_people(PARTNERS, Role.PARTNER, "partner")
    linked = create_people((VIEWERS + ABSENT) // LINKED_EVERY, prefix="l", inviters=partners)
    people = create_people(VIEWERS + ABSENT - len(linked))
    for number, person in enumerate(linked):
        people.insert(number * LINKED_EVERY, person)
    for number, person in enumerate(people):
        person.name = f"Зритель {number:04d}"
    Person.objects.bulk_update(people, ["name"], batch_size=500)
    chats = [TelegramChat(person=person, chat_id=person.pk) for person in [*partners, *linked]]
    TelegramChat.objects.bulk_create(chats)
    for person in [*partners, *linked]:
        fake_bot_api.people.add(person.pk, person.name)
    return people


def not_once(
    fake_bot_api: fake_botapi.FakeBotApi, people: Sequence[Person], webinars: Sequence[Webinar]
) -> int:
    """Return how many messages did not arrive exactly once, by the texts in the chats."""
    texts: dict[int, str] = {}
    for sent in fake_bot_api.sent:
        chat = sent.message["chat"]["id"]
        texts[chat] = texts.get(chat, "") + "\n" + sent.message["text"]
    linked = [person for person in people if person.invited_by_id]
    counts = [texts.get(lead.pk, "").count(webinar.title) for lead in linked for webinar in webinars]
    names = [texts.get(lead.invited_by_id or 0, "").count(lead.name) for lead in linked]
    return sum(count != 1 for count in counts) + sum(count != len(webinars) for count in names)


def growth(used: Sequence[Usage]) -> list[str]:
    """Return the growth of each resource from the first webinars to the last one."""
    first, last = used[0], used[-1]
    early = used[: max(2, len(used) // 4)]  # the first webinars still open files and connections
    found = [
        f"{name}: {getattr(first, name)} after the first webinar, {getattr(last, name)} after the last"
        for name in ("files", "databases", "threads", "tasks")
        if getattr(last, name) > max(getattr(each, name) for each in early)
    ]
    if last.rss_mb - first.rss_mb > MORE_MB or slope(used) > MORE_MB_EACH:
        found.append(
            f"memory: {first.rss_mb:.1f} MB, then {last.rss_mb:.1f} MB, {slope(used):.2f} MB a webinar"
        )
    return found


def slope(used: Sequence[Usage]) -> float:
    """Return the growth in MB a webinar, by least squares over all but the first."""
    later = [each.rss_mb for each in used[1:]]
    return statistics.linear_regression(range(len(later)), later).slope if len(later) > 1 else 0.0


def sleep_until(began: float, part: float) -> None:
    """Sleep until this part of a webinar's time is over."""
    time.sleep(max(0.0, began + part * SLOT_S - time.monotonic()))


def wait_for(condition: Callable[[], bool]) -> bool:
    """Wait until the condition is true. Return False after WITHIN_S."""
    deadline = time.monotonic() + WITHIN_S
    while not (so := condition()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return so
