"""Messages a second to a Bot API that takes 300 ms for each call, beside the rate limit."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from django.conf import settings
from django.core.management import call_command

from benchmarks.people import SYSTEM, create_people
from benchmarks.tables import table, warn
from efir.attendance.models import Verdict
from efir.fake_botapi import FakeBotApi, running
from efir.hooks.bus import emit
from efir.hooks.events import PostWebinarRoute
from efir.lib import clock
from efir.telegram.dispatcher.dispatcher import Dispatcher
from efir.telegram.models import OutboxMessage, TelegramChat
from efir.webinars import core

LATENCY_S = 0.3
MESSAGES = 1000
LEAST_OF_LIMIT = 0.98


def main() -> None:
    """Print the table for this process's database."""
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)
    fake_bot_api = FakeBotApi(tokens={settings.EFIR.telegram_token}, latency_s=LATENCY_S)
    enqueue(fake_bot_api)
    with running(fake_bot_api) as address:
        settings.EFIR = replace(settings.EFIR, telegram_api=address)
        asyncio.run(send_all())
    rate = settings.EFIR.telegram_rate
    received = [sent.received_at for sent in fake_bot_api.sent]
    reached = (len(received) - 1) / (received[-1] - received[0])
    table(
        f"Sending {MESSAGES} messages to {MESSAGES} chats, {LATENCY_S * 1000:.0f} ms a call",
        ["what", "messages/s", "of the limit"],
        [
            ("Efir's dispatcher", f"{reached:.2f}", f"{reached / rate:.1%}"),
            ("the limit (EFIR_TELEGRAM_RATE)", f"{rate:.2f}", "100 %"),
        ],
    )
    if len(received) != MESSAGES or reached < LEAST_OF_LIMIT * rate:
        warn(f"{len(received)} messages at {reached / rate:.1%} of the limit, not {LEAST_OF_LIMIT:.0%}")


def enqueue(fake_bot_api: FakeBotApi) -> None:
    """Queue a follow-up for each of the candidates, who all have a chat and a verdict."""
    now = clock.now()
    webinar = core.create({"title": "Эфир", "starts_at": now}, SYSTEM)
    people = create_people(MESSAGES)
    TelegramChat.objects.bulk_create(
        [TelegramChat(person=person, chat_id=1000 + person.pk) for person in people]
    )
    for person in people:
        fake_bot_api.people.add(1000 + person.pk, person.name)
    verdict = {"attended": True, "reason": "stayed_to_end", "rule": "", "intervals": [], "present_s": 0}
    Verdict.objects.bulk_create(
        [Verdict(webinar=webinar, lead=person, classified_at=now, **verdict) for person in people]
    )
    routes = {"webinar_id": webinar.pk, "attended": True, "route": "attended", "timestamp": now}
    emit([PostWebinarRoute(lead_id=person.pk, **routes) for person in people])


async def send_all() -> None:
    """Run a dispatcher until the outbox is empty."""
    dispatcher = Dispatcher()
    running = asyncio.create_task(dispatcher.run())
    moving = OutboxMessage.objects.filter(state__in=["queued", "sending"])
    while await moving.aexists():
        await asyncio.sleep(0.2)
    dispatcher.stop()
    await running
