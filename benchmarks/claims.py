"""What a claim costs, however many messages one partner has: processor and time of claim and compose."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

from django.core.management import call_command

from benchmarks.people import create_people
from benchmarks.pipeline import classify, finished_webinar
from benchmarks.tables import median, ms, table, warn
from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.attendance import tracker
from efir.telegram.bot import lease
from efir.telegram.bot.outcomes import Sent
from efir.telegram.models import OutboxMessage, TelegramChat
from efir.telegram.outbox import claims
from efir.telegram.outbox.completion import complete

SIZES = (1_000, 5_000, 20_000)
CLAIMS = 9  # the first, and so many lists that even the smallest has
MOST_MS = 50.0
MOST_RATIO = 1.5
CHAT = 1_000_000


def main() -> None:
    """Print the table for this process's database."""
    logging.disable(logging.CRITICAL)
    call_command("migrate", verbosity=0)
    rows, medians = [], []
    for size in SIZES:
        first, later = measure(size)
        cpu = median([spent for spent, _ in later])
        medians.append(cpu)
        rows.append(
            (f"{size:,}", ms(first[0]), ms(first[1]), ms(cpu), ms(median([taken for _, taken in later])))
        )
        if cpu * 1000 > MOST_MS:
            warn(f"a claim of {size:,} takes {cpu * 1000:.0f} ms of processor, not {MOST_MS:.0f}")
    table(
        f"Claim and compose one partner's list, medians of {CLAIMS - 1} after the first",
        ["candidates of the partner", "first, CPU ms", "first, ms", "CPU ms", "ms"],
        rows,
    )
    if max(medians) > MOST_RATIO * min(medians):
        warn(f"the claims differ by {max(medians) / min(medians):.1f} ×, not {MOST_RATIO} ×")


def measure(size: int) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """Return processor and time, in seconds, of the first claim and of the next ones."""
    partner = queue_verdicts(size)
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
