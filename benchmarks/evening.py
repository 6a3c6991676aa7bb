"""A webinar of 500 candidates, from their accounts to the last message: `efir serve` and the fake Bot API.

Each step has its time and the server's memory after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.core.management import call_command

from benchmarks.load import LoadGenerator, get, get_stream, load_generator
from benchmarks.people import (
    Speaker,
    create_people,
    log_in,
    open_broadcast,
    room_page,
    room_stream,
    scheduled_webinar,
)
from benchmarks.servers import Server, efir
from benchmarks.tables import percentile, table, warn
from benchmarks.talk import PER_SECOND, Room
from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.attendance.models import Classification, Participation, Verdict
from efir.fake_botapi import FakeBotApi, running
from efir.telegram.models import OutboxMessage, TelegramChat
from efir.webinars import core
from efir.webinars.models import Webinar

PEOPLE = 500
OF_EACH_PARTNER = 5
ARRIVALS_PER_S = 50.0
LIVE_S = 5.0
WITHIN_S = 120.0


def main() -> None:
    """Print the table for this process's database."""
    call_command("migrate", verbosity=0)
    fake_bot_api = FakeBotApi(tokens={settings.EFIR.telegram_token})
    with (
        running(fake_bot_api) as address,
        efir("serve", EFIR_TELEGRAM_API=address) as server,
        load_generator() as load,
    ):
        rows = hold(fake_bot_api, server, load)
    table(
        f"A webinar of {PEOPLE} candidates, EFIR_TELEGRAM_RATE={settings.EFIR.telegram_rate:g} and "
        f"EFIR_SETTLE_S={settings.EFIR.settle_s:g}",
        ["step", "s", "the server's VmRSS, MB"],
        rows,
    )
    print(
        f"People arrive at {ARRIVALS_PER_S:.0f} a second. Each partner has invited {OF_EACH_PARTNER}, and a chat gets "
        f"a message a second: the last message cannot go\nsooner than {OF_EACH_PARTNER - 1} s after the verdicts.\n"
    )


def hold(fake_bot_api: FakeBotApi, server: Server, load: LoadGenerator) -> list[tuple[str, str, float]]:
    """Hold the webinar. Return the steps: name, seconds, MB."""
    rows: list[tuple[str, str, float]] = []
    began = time.monotonic()

    def step(name: str, done: Callable[[], bool] | None = None, took_s: float | None = None) -> None:
        """Note a step that is over, or wait until it is."""
        nonlocal began
        while done is not None and not done():
            if time.monotonic() > began + WITHIN_S:
                warn(f"{name}: not within {WITHIN_S:.0f} s")
                break
            time.sleep(0.05)
        taken = time.monotonic() - began if took_s is None else took_s
        rows.append((name, f"{taken:.2f}", server.rss_kb() / 1024))
        began = time.monotonic()

    def press(button: str, status: str) -> float:
        """Press a button. Return the seconds until the last viewer heard of it."""
        marker = f'"status":"{status}"'
        speaker.connect()
        heard = load.hear(marker, lambda: speaker.press(button)).after_s
        if len(heard) < PEOPLE:
            warn(f"{button}: {len(heard)} of {PEOPLE} heard of it")
        return percentile(heard, 100)

    step("the server is there", took_s=0.0)
    webinar = scheduled_webinar()
    people = seated(fake_bot_api, webinar)
    step("accounts, chats and seats created")
    (cookie,) = log_in(create_people(1, Role.SPEAKER, "speaker"))
    speaker = Speaker(webinar, server.port, cookie)
    page, stream = room_page(webinar), room_stream(webinar)
    cookies = log_in(people)
    requests = [(get(page, each, close=True), get_stream(stream, each)) for each in cookies]
    answer = load.arrive(server.port, requests, ARRIVALS_PER_S)
    if answer["errors"]:
        warn(f"on arrival: {answer['errors']}")
    step("everybody has the page and the stream open", took_s=answer["seconds"])

    entered = Participation.objects.filter(webinar=webinar).exclude(entered_at=None)
    classified = Classification.objects.filter(webinar=webinar).exclude(done_at=None)
    unsent = OutboxMessage.objects.filter(webinar=webinar, state__in=["queued", "sending"])
    step("started → the last viewer hears it", took_s=press("start", "live"))
    step("started → everybody's entry is recorded", lambda: entered.count() == PEOPLE)
    posts = Room(webinar, server, cookie, cookies).write(cookies, PER_SECOND, LIVE_S)
    accepted = sum(post.status == 201 for post in posts)
    step(f"live for {LIVE_S:.0f} s, in which {accepted} of {len(posts)} messages are accepted in the room")
    step("stopped → the last viewer hears it", took_s=press("stop", "finished"))
    step("stopped → everybody has a verdict (after the settle delay)", classified.exists)
    step("verdicts → the last message is sent", lambda: not unsent.exists())
    attended = Verdict.objects.filter(webinar=webinar, attended=True).count()
    if attended < PEOPLE or len(fake_bot_api.sent) != 2 * PEOPLE:
        warn(f"{attended} of {PEOPLE} attended and {len(fake_bot_api.sent)} messages were sent")
    return rows


def seated(fake_bot_api: FakeBotApi, webinar: Webinar) -> list[Person]:
    """Create candidates with their partners, a chat for each, and a seat for each candidate."""
    partners = create_people(PEOPLE // OF_EACH_PARTNER, Role.PARTNER, "partner")
    people = create_people(PEOPLE, inviters=partners)
    for person in [*partners, *people]:
        fake_bot_api.people.add(person.pk, person.name)
    TelegramChat.objects.bulk_create(
        [TelegramChat(person=person, chat_id=person.pk) for person in [*partners, *people]]
    )
    for person in people:
        core.book_seat(webinar.pk, person)
    open_broadcast(webinar, people)
    return people
