"""The cost of claiming and composing for partners of different sizes, and of publishing for 10,000 waiting messages."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from uuid import uuid4

from django.core.management import call_command

from benchmarks.people import PLAYER_URL, SYSTEM, create_people
from benchmarks.pipeline import classify, finished_webinar
from benchmarks.tables import median, ms, seconds, table, warn
from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.attendance import tracker
from efir.lib import clock
from efir.telegram.bot import lease
from efir.telegram.bot.outcomes import Sent
from efir.telegram.models import Kind, MessageState, OutboxMessage, TelegramChat
from efir.telegram.outbox import claims, enqueue
from efir.telegram.outbox.completion import complete
from efir.webinars import core

SIZES = (1_000, 5_000, 20_000)
CLAIMS = 9  # the first, and so many lists that even the smallest has
MAX_MS = 50.0
MAX_RATIO = 1.5
CHAT = 1_000_000
WAITING = 10_000
MAX_PUBLISHING_S = 1.0


def main() -> None:
    """Print the table for this process's database."""
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)
    rows, medians = [], []
    for size in SIZES:
        partner = queue_verdicts(size)
        first, later = measure(partner)
        cpu = median([spent for spent, _ in later])
        medians.append(cpu)
        rows.append(
            (f"{size:,}", ms(first[0]), ms(first[1]), ms(cpu), ms(median([taken for _, taken in later])))
        )
        if cpu * 1000 > MAX_MS:
            warn(f"a claim of {size:,} takes {cpu * 1000:.0f} ms of processor, not {MAX_MS:.0f}")
    table(
        f"Claim and compose one partner's list, medians of {CLAIMS - 1} after the first",
        ["candidates of the partner", "first, CPU ms", "first, ms", "CPU ms", "ms"],
        rows,
    )
    if max(medians) > MAX_RATIO * min(medians):
        warn(f"the claims differ by {max(medians) / min(medians):.1f} ×, not {MAX_RATIO} ×")

    publish_recording(partner)


def publish_recording(partner: Person) -> None:
    """Print how long publishing takes if many wait for the recording, and how long the worker then needs."""
    waiting = OutboxMessage.objects.filter(kind=Kind.CANDIDATE_FOLLOWUP, lead__invited_by=partner)
    people = list(waiting.values_list("person_id", flat=True)[:WAITING])
    TelegramChat.objects.bulk_create(
        [TelegramChat(person_id=person_id, chat_id=CHAT + person_id) for person_id in people]
    )
    waiting.filter(person_id__in=Person.objects.filter(telegramchat__isnull=False)).update(
        kind=Kind.CANDIDATE_RECORDING,
        state=MessageState.WAITING_RECORDING,
        expires_at=clock.now() + timedelta(days=1),
    )
    webinar_id = OutboxMessage.objects.filter(state=MessageState.WAITING_RECORDING)[0].webinar_id
    request_s = seconds(lambda: core.publish_recording(webinar_id, PLAYER_URL, SYSTEM))
    worker_s = seconds(enqueue.expire)
    left = OutboxMessage.objects.filter(state=MessageState.WAITING_RECORDING).count()
    table(
        f"Publishing a recording for which {WAITING:,} messages wait",
        ["what", "s"],
        [("the speaker's request", f"{request_s:.2f}"), ("the rest, in the worker", f"{worker_s:.2f}")],
    )
    if request_s > MAX_PUBLISHING_S or left:
        warn(f"publishing takes {request_s:.2f} s, and {left:,} messages still wait")


def measure(partner: Person) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """Return processor and time, in seconds, of the first claim and of the next ones."""
    holder = uuid4()
    found = []
    for number in range(CLAIMS):
        lease.acquire(holder)
        cpu, started = time.process_time(), time.perf_counter()
        (claim,) = claims.claim(10, holder)
        message = claim.compose()
        found.append((time.process_time() - cpu, time.perf_counter() - started))
        complete(claim, Sent(number + 1), message.text)
    OutboxMessage.objects.filter(person=partner).update(state="sent")
    lease.release(holder)
    return found[0], found[1:]


def queue_verdicts(size: int) -> Person:
    """Queue the verdicts on so many candidates of a new partner. Return the partner."""
    (partner,) = create_people(1, Role.PARTNER, f"partner{size}-")
    TelegramChat.objects.create(person=partner, chat_id=CHAT + partner.pk)
    webinar = finished_webinar(create_people(size, prefix=f"lead{size}-", inviters=[partner]))
    tracker.record_entries(webinar)
    classify(webinar)
    return partner
