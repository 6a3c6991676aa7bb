"""Write the outcome of a call to the messages that it carried, and to no others."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Case, F, QuerySet, Value, When

from efir.hooks import correlation
from efir.hooks.events import ClientWebinarAttendanceClassified
from efir.lib import clock
from efir.telegram.bot import lease
from efir.telegram.bot.outcomes import (
    ChatMoved,
    ChatUnreachable,
    Decision,
    MessageRefused,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Sent,
    TokenRejected,
)
from efir.telegram.models import ERASED_TEXT, MessageState, OutboxMessage, TelegramChat, UnreachableReason
from efir.telegram.outbox.claims import Claim
from efir.telegram.outbox.queries import requeue
from efir.webinars.correlation import stop_cause

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
# Long enough for a gateway to recover, because there is only one more try.
AFTER_UNKNOWN_S = 10.0

log = structlog.get_logger(__name__)


def complete(claim: Claim, decision: Decision, text: str = "") -> None:
    """Write the outcome of a claim. `text` is what was sent.

    Fenced by the attempt's id: a row that another attempt has claimed meanwhile is left alone.
    """
    causes = causes_of(claim.messages)
    with transaction.atomic():
        count = _write(claim, decision, text)
    for cause, messages in causes.items():
        log.info(
            "message_settled",
            message_ids=[row.pk for row in messages],
            webinar_id=messages[0].webinar_id,
            cause=cause,
            retried_by_ids=sorted({row.retried_by_id for row in messages if row.retried_by_id}),
            person_id=claim.person_id,
            outcome=type(decision).__name__,
            error=getattr(decision, "error", None),
            fenced_off=count < len(claim.messages),
        )


def causes_of(messages: Sequence[OutboxMessage]) -> dict[str | None, list[OutboxMessage]]:
    """Group the messages of one webinar by their cause: a decision on a held verdict, or else the stop."""
    webinar_id = messages[0].webinar_id
    lead_ids = {row.lead_id for row in messages if row.caused_by_id}
    decisions = (
        correlation.entries_of(ClientWebinarAttendanceClassified, webinar_id, lead_ids) if lead_ids else {}
    )
    stop = stop_cause(webinar_id)
    causes: dict[str | None, list[OutboxMessage]] = defaultdict(list)
    for row in messages:
        entry_id = decisions.get(row.lead_id) if row.caused_by_id else None
        causes[correlation.cause(entry_id) if entry_id else stop].append(row)
    return causes


def _write(claim: Claim, decision: Decision, text: str) -> int:
    """Write the outcome. Return how many rows were still this attempt's."""
    attempt = OutboxMessage.objects.filter(attempt_id=claim.attempt_id)
    sending = attempt.filter(state=MessageState.SENDING)
    match decision:
        case Sent(message_id):
            # Not only `sending`: a late success also counts after the attempt was given up.
            carrier = claim.messages[0]
            if len(claim.messages) > 1:  # a recovery may have taken the carrier from the others
                attempt.exclude(pk=carrier.pk).update(carried_by=carrier)
            count = attempt.update(
                state=MessageState.SENT,
                sent_at=clock.now(),
                chat_id=claim.chat_id,
                message_id=message_id,
                text=_unless_erased(text),
                error="",
            )
        case ChatUnreachable(reason, error):
            chat = TelegramChat.objects.filter(person_id=claim.person_id, chat_id=claim.chat_id)
            chat.update(reachable=False, unreachable_reason=reason)
            count = sending.update(state=MessageState.FAILED, error=error)
        case MessageRefused(error):
            count = sending.update(state=MessageState.FAILED, error=error)
        case ChatMoved(chat_id, error):
            # Sent once more to the new id. A chat that moves again at once has no address.
            count = 0
            if readdress(claim.person_id, claim.chat_id, chat_id):
                count = _requeue(sending.filter(moved=False), error, moved=True)
            count += sending.update(state=MessageState.FAILED, error=error)
        case RateLimited(seconds, error):
            lease.pause(seconds)
            count = _requeue(sending, error)
        case TokenRejected(error):
            lease.mark_token_rejected(error)
            count = _requeue(sending, error)
        case NotSent(error):
            delay_s = retry_after_s(claim.messages[0].failures)
            count = _requeue(sending, error, delay_s, failures=F("failures") + 1)
        case OutcomeUnknown(error):
            # The text that a person who resolves the message may find in the chat.
            sending.update(chat_id=claim.chat_id, text=_unless_erased(text))
            count = set_uncertain(sending, error, AFTER_UNKNOWN_S)
    return count


def _unless_erased(text: str) -> Case:
    """Return `text`, unless the row's text was erased since the call: the name must not be restored."""
    return Case(When(text=ERASED_TEXT, then=Value(ERASED_TEXT)), default=Value(text))


def readdress(person_id: int, old_chat_id: int, new_chat_id: int) -> bool:
    """Save the chat's new id. Return False if that chat is somebody else's: the person then has none.

    A chat that was linked again meanwhile stays as it is.
    """
    chat = TelegramChat.objects.filter(person_id=person_id, chat_id=old_chat_id)
    try:
        with transaction.atomic():
            chat.update(chat_id=new_chat_id)
    except IntegrityError:
        chat.update(reachable=False, unreachable_reason=UnreachableReason.NOT_FOUND)
        return False
    return True


def _requeue(rows: QuerySet[OutboxMessage], error: str, delay_s: float = 0.0, **fields: Any) -> int:
    """Queue messages that were surely not sent, after `delay_s`. Unlike `queries.requeue` it counts the attempt."""
    due_at = clock.now() + timedelta(seconds=delay_s)
    unclaimed = {"state": MessageState.QUEUED, "attempt_id": None, "holder": None, "carried_by": None}
    return rows.update(**unclaimed, due_at=due_at, error=error, **fields)


def set_uncertain(rows: QuerySet[OutboxMessage], error: str, delay_s: float = 0.0) -> int:
    """Retry once after `delay_s`. If the outcome is unknown again, mark the message `uncertain` for a person.

    The attempt's id stays, so that an answer that arrives after all is still written. Return how many messages.
    """
    due_at = clock.now() + timedelta(seconds=delay_s)
    given_up = rows.filter(uncertain_count__gte=1).update(state=MessageState.UNCERTAIN, error=error)
    again = rows.filter(uncertain_count=0).update(
        state=MessageState.QUEUED, uncertain_count=1, due_at=due_at, error=error, holder=None, carried_by=None
    )
    return given_up + again


def recover_orphaned(holder: UUID) -> int:
    """Recover what an earlier holder of the lease left in `sending`. Return how many messages.

    A message without a text is queued again, because its call was not begun. The outcome of the others is unknown.
    """
    orphaned = OutboxMessage.objects.filter(state=MessageState.SENDING).exclude(holder=holder)
    if not orphaned.exists():
        return 0
    with transaction.atomic():
        if not lease.holds(holder):
            return 0
        count = requeue(orphaned.filter(text=""))
        count += set_uncertain(orphaned, "the process that sent it is gone")
    if count:
        log.warning("orphaned_recovered", count=count)
    return count


def retry_after_s(failures: int) -> float:
    """Return the seconds until the next try after so many failures: doubling, with jitter, capped."""
    longest = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures, 20))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, guards nothing
