"""Messages a second if a call takes 300 ms: one for each person, and together with 20,000 of one partner."""

from __future__ import annotations

import argparse
import asyncio
import logging
from dataclasses import replace

from django.conf import settings
from django.core.management import call_command

from benchmarks.people import SYSTEM, create_people
from benchmarks.pipeline import classify, finished_webinar
from benchmarks.tables import table, warn
from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.attendance import tracker
from efir.attendance.models import Verdict
from efir.fake_botapi import FakeBotApi, running
from efir.hooks.bus import emit
from efir.hooks.events import PostWebinarRoute
from efir.lib import clock
from efir.server.worker import Worker
from efir.telegram.dispatcher.dispatcher import Dispatcher
from efir.telegram.dispatcher.lease_term import LeaseTerm
from efir.telegram.models import OutboxMessage, TelegramChat
from efir.webinars import core

LATENCY_S = 0.3
MESSAGES = 1000
MIN_OF_LIMIT = 0.98
LARGE = 20_000
SMALL_PARTNERS, OF_SMALL = 200, 5
MIN_BESIDE_LARGE = 0.95


def main(*arguments: str) -> None:
    """Print the tables for this process's database."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sending")
    parser.add_argument(
        "--large", type=int, default=LARGE, help=f"verdicts of the one partner (default: {LARGE})"
    )
    large: int = parser.parse_args(arguments).large
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)
    to_one_each()
    beside_a_large_partner(large, while_classifying=False)
    beside_a_large_partner(large, while_classifying=True)


def to_one_each() -> None:
    fake_bot_api = FakeBotApi(tokens={settings.EFIR.telegram_token}, latency_s=LATENCY_S)
    enqueue(fake_bot_api)
    with running(fake_bot_api) as address:
        settings.EFIR = replace(settings.EFIR, telegram_api=address)
        asyncio.run(send_all())
    reached = rate_of([sent.received_at for sent in fake_bot_api.sent])
    report(f"Sending {MESSAGES} messages to {MESSAGES} chats, {LATENCY_S * 1000:.0f} ms a call", reached)
    if len(fake_bot_api.sent) != MESSAGES or reached < MIN_OF_LIMIT * settings.EFIR.telegram_rate:
        warn(f"{len(fake_bot_api.sent)} messages, not all at {MIN_OF_LIMIT:.0%} of the limit")


def rate_of(moments: list[float]) -> float:
    return (len(moments) - 1) / (moments[-1] - moments[0])


def report(title: str, reached: float, *rows: tuple[str, str, str]) -> None:
    rate = settings.EFIR.telegram_rate
    table(
        title,
        ["what", "messages/s", "of the limit"],
        [
            ("Efir's dispatcher", f"{reached:.2f}", f"{reached / rate:.1%}"),
            ("the limit (EFIR_TELEGRAM_RATE)", f"{rate:.2f}", "100 %"),
            *rows,
        ],
    )


def beside_a_large_partner(size: int, *, while_classifying: bool) -> None:
    """Send to many small partners and a large one, when all verdicts are there or while they are being given."""
    prefix = "early" if while_classifying else "late"
    large, *small = create_people(1 + SMALL_PARTNERS, Role.PARTNER, f"{prefix}-partner")
    bot = FakeBotApi(tokens={settings.EFIR.telegram_token}, latency_s=LATENCY_S)
    link(bot, [large, *small])
    leads = create_people(size, prefix=f"{prefix}-of-large", inviters=[large])
    leads += create_people(SMALL_PARTNERS * OF_SMALL, prefix=f"{prefix}-of-small", inviters=small)
    settings.EFIR = replace(settings.EFIR, settle_s=0)
    webinar = finished_webinar(leads)
    tracker.record_entries(webinar)
    if not while_classifying:
        classify(webinar)
    with running(bot) as address:
        settings.EFIR = replace(settings.EFIR, telegram_api=address)
        terms = asyncio.run(send_while_classifying(len(small) * OF_SMALL + 2, bot))
    chats = [int(sent.params["chat_id"]) for sent in bot.sent]
    to_large = [n for n, chat_id in enumerate(chats) if chat_id == chat_of(large)]
    heard = set(chats[: to_large[1] if len(to_large) > 1 else None]) - {chat_of(large)}
    reached = rate_of([sent.received_at for sent in bot.sent])
    report(
        f"{size:,} verdicts of one partner beside {SMALL_PARTNERS} partners with {OF_SMALL} each"
        + (", while they are classified" if while_classifying else ""),
        reached,
        ("small partners who heard before the large one's second list", f"{len(heard)}", ""),
        ("times that the lease was acquired", f"{terms}", ""),
    )
    if reached < MIN_BESIDE_LARGE * settings.EFIR.telegram_rate or terms > 1:
        warn(f"{reached:.1f} messages a second, the lease acquired {terms} times")
    if not {chat_of(each) for each in small} <= heard:
        warn("a small partner heard after the large one's second list")


def chat_of(person: Person) -> int:
    return 1000 + person.pk


def link(fake_bot_api: FakeBotApi, people: list[Person]) -> None:
    TelegramChat.objects.bulk_create(
        [TelegramChat(person=person, chat_id=chat_of(person)) for person in people]
    )
    for person in people:
        fake_bot_api.people.add(chat_of(person), person.name)


class CountingDispatcher(Dispatcher):
    """Counts how often it acquired the lease."""

    terms = 0

    async def _run_as_holder(self, term: LeaseTerm) -> None:
        self.terms += 1
        await super()._run_as_holder(term)


async def classify_as_worker() -> None:
    """Classify what is due chunk by chunk, with the pauses of the worker."""
    worker = Worker()
    while await worker.classify(asyncio.Event()):
        pass


async def send_while_classifying(count: int, bot: FakeBotApi) -> int:
    """Run a dispatcher and the classifier until so many messages are sent. Return how often the lease was acquired."""
    dispatcher = CountingDispatcher()
    sending = asyncio.create_task(dispatcher.run())
    classifying = asyncio.create_task(classify_as_worker())
    while len(bot.sent) < count and not sending.done():
        await asyncio.sleep(0.2)
    dispatcher.stop()
    await sending
    await classifying
    return dispatcher.terms


def enqueue(fake_bot_api: FakeBotApi) -> None:
    """Queue a follow-up for each of the candidates, who all have a chat and a verdict."""
    now = clock.now()
    webinar = core.create({"title": "Эфир", "starts_at": now}, SYSTEM)
    people = create_people(MESSAGES)
    link(fake_bot_api, people)
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
