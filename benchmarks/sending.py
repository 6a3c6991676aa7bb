"""Messages a second against a Bot API that takes 300 ms for each call, beside the limit they must keep to."""

from __future__ import annotations

import os
import threading
import time

RATE = 25
LATENCY_S = 0.3
MESSAGES = 250
TOKEN = "42:bench"

os.environ |= {"EFIR_TELEGRAM_TOKEN": TOKEN, "EFIR_TELEGRAM_RATE": str(RATE)}


def main() -> None:
    """Print the table for this process's database."""
    from efir.standin import StandIn, running

    stand_in = StandIn(tokens={TOKEN}, latency_s=LATENCY_S)
    with running(stand_in) as address:
        os.environ["EFIR_TELEGRAM_API"] = address
        _measure(stand_in)


def _measure(stand_in: object) -> None:
    import django

    django.setup()

    import logging

    from benchmarks.tables import table

    logging.disable(logging.CRITICAL)
    _fill(stand_in)
    _send_all()
    received = [sent.received_at for sent in stand_in.sent]
    reached = (len(received) - 1) / (received[-1] - received[0])
    one_by_one = 1 / LATENCY_S
    table(
        f"Sending {MESSAGES} messages to {MESSAGES} chats, {LATENCY_S * 1000:.0f} ms a call",
        ["what", "messages/s", "of the limit"],
        [
            ("Efir's dispatcher", f"{reached:.2f}", f"{reached / RATE:.1%}"),
            (
                "one call after the other (the predecessor's way)",
                f"{one_by_one:.2f}",
                f"{one_by_one / RATE:.1%}",
            ),
            ("the limit (EFIR_TELEGRAM_RATE)", f"{RATE:.2f}", "100 %"),
        ],
    )


def _fill(stand_in: object) -> None:
    """One verdict and one follow-up for each of so many candidates with a chat."""
    from django.core.management import call_command

    from efir import clock
    from efir.accounts.models import Person
    from efir.attendance.models import Verdict
    from efir.hooks.actions import Context, Source
    from efir.hooks.bus import emit
    from efir.hooks.events import PostWebinarRoute
    from efir.telegram.models import TelegramChat
    from efir.webinars import core

    call_command("migrate", verbosity=0)
    webinar = core.create({"title": "Эфир", "starts_at": clock.now()}, Context(None, Source.SYSTEM))
    people = Person.objects.bulk_create(
        [Person(login=f"c{n}", name=f"Кандидат {n}") for n in range(MESSAGES)]
    )
    TelegramChat.objects.bulk_create(
        [TelegramChat(person=person, chat_id=1000 + person.pk) for person in people]
    )
    now = clock.now()
    verdict = {"attended": True, "reason": "stayed_to_end", "rule": "", "intervals": [], "present_s": 0}
    Verdict.objects.bulk_create(
        [Verdict(webinar=webinar, lead=person, classified_at=now, **verdict) for person in people]
    )
    for person in people:
        stand_in.people.add(1000 + person.pk, person.name)
    routes = [
        PostWebinarRoute(
            lead_id=person.pk, webinar_id=webinar.pk, attended=True, route="attended", timestamp=now
        )
        for person in people
    ]
    emit(routes)


def _send_all() -> None:
    """Run a dispatcher in a thread of its own until nothing is left."""
    import asyncio

    from efir.telegram.dispatcher import Dispatcher
    from efir.telegram.models import OutboxMessage

    async def send() -> None:
        dispatcher = Dispatcher()
        running = asyncio.create_task(dispatcher.run())
        await asyncio.to_thread(_until_empty)
        dispatcher.stop()
        await running

    def _until_empty() -> None:
        while OutboxMessage.objects.filter(state__in=["queued", "sending"]).exists():
            time.sleep(0.2)

    thread = threading.Thread(target=lambda: asyncio.run(send()))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
