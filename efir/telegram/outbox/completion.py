"""Settling: what came of a call is written to the messages it carried, and to nothing else."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Case, F, QuerySet, Value, When

from efir.lib import clock
from efir.telegram.bot import lease
from efir.telegram.bot.outcomes import (
    ChatMoved,
    ChatUnreachable,
    Decision,
    Failure,
    MessageRefused,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Sent,
    TokenRejected,
)
from efir.telegram.models import ERASED_TEXT, MessageState, OutboxMessage, TelegramChat
from efir.telegram.outbox.claims import Claim
from efir.telegram.outbox.log import causes_of
from efir.telegram.outbox.queries import requeue

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
# Long enough for a gateway to come back: there is only one more try.
AFTER_UNKNOWN_S = 10.0

log = structlog.get_logger(__name__)


def complete(claimed: Claim, decision: Decision, text: str = "") -> None:
    """Write what came of a claim; a row that is no longer this attempt's is left alone. `text` is what was sent."""
    causes = causes_of(claimed.messages)
    with transaction.atomic():
        rows = OutboxMessage.objects.filter(attempt_id=claimed.attempt_id)
        count = _write(rows, claimed, decision, text)
    for cause, messages in causes.items():
        log.info(
            "message_settled",
            message_ids=[row.pk for row in messages],
            webinar_id=messages[0].webinar_id,
            cause=cause,
            retried_by_ids=sorted({row.retried_by_id for row in messages if row.retried_by_id}),
            person_id=claimed.person_id,
            outcome=type(decision).__name__,
            error=getattr(decision, "error", None),
            fenced_off=count < len(claimed.messages),
        )


def _write(rows: QuerySet[OutboxMessage], claimed: Claim, decision: Decision, text: str) -> int:
    # A late success is true also after the attempt was given up for lost, as long as no other has begun.
    if isinstance(decision, Sent):
        return _sent(rows, claimed, decision.message_id, text)
    ours = rows.filter(state=MessageState.SENDING)
    match decision:
        case ChatUnreachable(reason, _):
            _close_chat(claimed, reason)
        case RateLimited(seconds, _):
            lease.pause(seconds)
        case TokenRejected(error):
            lease.mark_token_rejected(error)
    return _unsent(ours, claimed, decision, text)


def _unsent(ours: QuerySet[OutboxMessage], claimed: Claim, decision: Failure, text: str) -> int:
    match decision:
        case ChatMoved(chat_id, error):
            return _follow(ours, claimed, chat_id, error)
        case ChatUnreachable(_, error) | MessageRefused(error):
            return ours.update(state=MessageState.FAILED, error=error)
        case RateLimited(_, error) | TokenRejected(error):
            return _requeue(ours, error)
        case NotSent(error):
            delay_s = retry_after_s(claimed.messages[0].failures)
            return _requeue(ours, error, delay_s, failures=F("failures") + 1)
        case OutcomeUnknown(error):
            ours.update(
                chat_id=claimed.chat_id, text=_unless_erased(text)
            )  # what a person may find in the chat
            return set_uncertain(ours, error, AFTER_UNKNOWN_S)


def _sent(rows: QuerySet[OutboxMessage], claimed: Claim, message_id: int, text: str) -> int:
    carrier = claimed.messages[0]
    if len(claimed.messages) > 1:  # after a reaping they may not know any more
        rows.exclude(pk=carrier.pk).update(carried_by=carrier)
    return rows.update(
        state=MessageState.SENT,
        sent_at=clock.now(),
        chat_id=claimed.chat_id,
        message_id=message_id,
        text=_unless_erased(text),
        error="",
    )


def _unless_erased(text: str) -> Case:
    """The call was made before somebody whom it names was erased: the name does not come back with the outcome."""
    return Case(When(text=ERASED_TEXT, then=Value(ERASED_TEXT)), default=Value(text))


def _follow(ours: QuerySet[OutboxMessage], claimed: Claim, chat_id: int, error: str) -> int:
    """Send once more, to where the chat is now; a chat that moves again at once has no address."""
    if not readdress(claimed.person_id, claimed.chat_id, chat_id):
        return ours.update(state=MessageState.FAILED, error=error)
    return _requeue(ours.filter(moved=False), error, moved=True) + ours.update(
        state=MessageState.FAILED, error=error
    )


def readdress(person_id: int, old_chat_id: int, new_chat_id: int) -> bool:
    """Save the chat's new id; False where that chat is somebody else's: the person's own is gone then.

    A chat that was linked anew meanwhile stays as it is.
    """
    chat = TelegramChat.objects.filter(person_id=person_id, chat_id=old_chat_id)
    try:
        with transaction.atomic():
            chat.update(chat_id=new_chat_id)
    except IntegrityError:
        chat.update(reachable=False, unreachable_reason="not_found")
        return False
    return True


def _close_chat(claimed: Claim, reason: str) -> None:
    chat = TelegramChat.objects.filter(person_id=claimed.person_id, chat_id=claimed.chat_id)
    chat.update(reachable=False, unreachable_reason=reason)


def _requeue(rows: QuerySet[OutboxMessage], error: str, delay_s: float = 0.0, **more: Any) -> int:
    due_at = clock.now() + timedelta(seconds=delay_s)
    fresh = {"state": MessageState.QUEUED, "attempt_id": None, "holder": None, "carried_by": None}
    return rows.update(**fresh, due_at=due_at, error=error, **more)


def set_uncertain(rows: QuerySet[OutboxMessage], error: str, delay_s: float = 0.0) -> int:
    """The outcome is unknown: send once more after `delay_s`; a second time it stays `uncertain` for a person.

    The attempt's id stays, so that an answer that comes after all is still believed.
    """
    due_at = clock.now() + timedelta(seconds=delay_s)
    given_up = rows.filter(uncertain_count__gte=1).update(state=MessageState.UNCERTAIN, error=error)
    again = rows.filter(uncertain_count=0).update(
        state=MessageState.QUEUED, uncertain_count=1, due_at=due_at, error=error, holder=None, carried_by=None
    )
    return given_up + again


def recover_orphaned(holder: UUID) -> int:
    """What another holder was sending when it lost the lease has an unknown outcome; how many messages."""
    lost = OutboxMessage.objects.filter(state=MessageState.SENDING).exclude(holder=holder)
    if not lost.exists():
        return 0
    with transaction.atomic():
        if not lease.holds(holder):
            return 0
        count = requeue(lost.filter(text=""))  # claimed, but the call was not begun
        count += set_uncertain(lost, "the process that sent it is gone")
    if count:
        log.warning("reaped", count=count)
    return count


def retry_after_s(failures: int) -> float:
    """How many seconds to the next try after so many failures before: doubling, with jitter, capped."""
    longest = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures, 20))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, guards nothing
