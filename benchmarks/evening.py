"""One webinar of 500 candidates, from their accounts to the last message sent: `efir serve` against the stand-in.

Each step has its time and what the server's process weighs after it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PEOPLE = 500
OF_EACH_PARTNER = 5  # a chat gets one message a second, so a partner hears of the fifth candidate after four
ARRIVALS_PER_S = 50.0
RATE, SETTLE_S = 1000, 1
ON_AIR_S = 5.0
TOKEN = "42:bench"
WITHIN_S = 120.0

os.environ |= {
    "EFIR_TELEGRAM_TOKEN": TOKEN,
    "EFIR_TELEGRAM_RATE": str(RATE),
    "EFIR_SETTLE_S": str(SETTLE_S),
}

import django  # noqa: E402  # after the environment

django.setup()

from django.core.management import call_command  # noqa: E402  # after setup

from benchmarks.crowd import Crowd, crowd, request_for, stream_request  # noqa: E402
from benchmarks.people import (  # noqa: E402
    Speaker,
    enrol,
    log_in,
    room_page,
    room_stream,
    scheduled_webinar,
)
from benchmarks.processes import Server, efir  # noqa: E402
from benchmarks.tables import percentile, seconds, table, warn  # noqa: E402
from efir.accounts.capabilities import Role  # noqa: E402
from efir.accounts.models import Person  # noqa: E402
from efir.attendance.models import Classification, Participation, Verdict  # noqa: E402
from efir.fake_botapi import FakeBotApi, running  # noqa: E402
from efir.telegram.models import OutboxMessage, TelegramChat  # noqa: E402
from efir.webinars import core  # noqa: E402
from efir.webinars.models import Webinar  # noqa: E402


@dataclass
class Steps:
    """What was done, how long it took and what the server weighed then."""

    server: Server
    rows: list[tuple[str, str, float]] = field(default_factory=list)

    def add(self, name: str, took_s: float) -> None:
        """Note a step that has just ended."""
        self.rows.append((name, f"{took_s:.2f}", self.server.rss_kb() / 1024))


def main() -> None:
    """Print the table for this process's database."""
    call_command("migrate", verbosity=0)
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    with (
        running(fake_bot_api) as address,
        efir("serve", EFIR_TELEGRAM_API=address) as server,
        crowd() as viewers,
    ):
        steps = Steps(server)
        steps.add("the server is there", 0.0)
        _hold(fake_bot_api, steps, viewers)
    table(
        f"A webinar of {PEOPLE} candidates, EFIR_TELEGRAM_RATE={RATE} and EFIR_SETTLE_S={SETTLE_S}",
        ["step", "s", "the server's VmRSS, MB"],
        steps.rows,
    )
    print(
        f"They come at {ARRIVALS_PER_S:.0f} a second. Each partner has invited {OF_EACH_PARTNER}, and a chat gets a "
        f"message a second: the last message cannot go sooner than {OF_EACH_PARTNER - 1} s after the verdicts.\n"
    )


def _hold(fake_bot_api: FakeBotApi, steps: Steps, viewers: Crowd) -> None:
    """Everything from the first account to the last message."""
    webinar, people = scheduled_webinar(), list[Person]()
    steps.add(
        "accounts, chats and seats made", seconds(lambda: people.extend(_seated(fake_bot_api, webinar)))
    )
    (cookie,) = log_in(enrol(1, Role.SPEAKER, "speaker"))
    speaker = Speaker(webinar, steps.server.port, cookie)
    steps.add(
        "everybody has the page and the stream open", _arrive(viewers, webinar, people, steps.server.port)
    )
    steps.add("started → the last viewer hears it", _press(viewers, speaker, "start", "live"))
    steps.add("started → everybody's entry is recorded", _until(lambda: _entered(webinar) == PEOPLE))
    time.sleep(ON_AIR_S)
    steps.add("stopped → the last viewer hears it", _press(viewers, speaker, "stop", "finished"))
    steps.add(
        "stopped → everybody has a verdict (after the settle delay)", _until(lambda: _is_classified(webinar))
    )
    steps.add("verdicts → the last message is sent", _until(lambda: not _unsent(webinar)))
    attended = Verdict.objects.filter(webinar=webinar, attended=True).count()
    if attended < PEOPLE or len(fake_bot_api.sent) != 2 * PEOPLE:
        warn(f"{attended} of {PEOPLE} attended and {len(fake_bot_api.sent)} messages were sent")


def _seated(fake_bot_api: FakeBotApi, webinar: Webinar) -> list[Person]:
    """Candidates with their partners, a chat for each, and a seat that each has booked."""
    partners = enrol(PEOPLE // OF_EACH_PARTNER, Role.PARTNER, "partner")
    people = [
        person
        for number, partner in enumerate(partners)
        for person in enrol(OF_EACH_PARTNER, prefix=f"c{number}-", invited_by=partner)
    ]
    for person in [*partners, *people]:
        fake_bot_api.people.add(person.pk, person.name)
    TelegramChat.objects.bulk_create(
        [TelegramChat(person=person, chat_id=person.pk) for person in [*partners, *people]]
    )
    for person in people:
        core.book_seat(webinar.pk, person)
    return people


def _arrive(viewers: Crowd, webinar: Webinar, people: list[Person], port: int) -> float:
    page, stream = room_page(webinar), room_stream(webinar)
    requests = [
        (request_for(page, cookie, close=True), stream_request(stream, cookie)) for cookie in log_in(people)
    ]
    answer = viewers.do("arrive", port=port, people=requests, per_s=ARRIVALS_PER_S)
    if answer["errors"]:
        warn(f"on arrival: {answer['errors']}")
    return float(answer["seconds"])


def _press(viewers: Crowd, speaker: Speaker, button: str, status: str) -> float:
    speaker.get_ready()
    heard = viewers.hear(f'"status":"{status}"', lambda: speaker.press(button)).after_s
    if len(heard) < PEOPLE:
        warn(f"{button}: {len(heard)} of {PEOPLE} heard of it")
    return percentile(heard, 100)


def _until(done: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not done():
        if time.monotonic() > began + WITHIN_S:
            warn(f"a step was not done within {WITHIN_S:.0f} s")
            break
        time.sleep(0.05)
    return time.monotonic() - began


def _entered(webinar: Webinar) -> int:
    return Participation.objects.filter(webinar=webinar).exclude(entered_at=None).count()


def _is_classified(webinar: Webinar) -> bool:
    return Classification.objects.filter(webinar=webinar).exclude(done_at=None).exists()


def _unsent(webinar: Webinar) -> bool:
    return OutboxMessage.objects.filter(webinar=webinar, state__in=["queued", "sending"]).exists()


if __name__ == "__main__":
    main()
