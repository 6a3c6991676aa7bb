"""Sending again, and deciding what nobody else knows: what people do about messages that did not surely arrive."""

from __future__ import annotations

import structlog
from django.db.models import Q, QuerySet

from efir import clock
from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.hooks.actions import Code, Context, Refused
from efir.telegram.models import MessageState, OutboxMessage

REPEATABLE = (MessageState.FAILED, MessageState.UNCERTAIN)

log = structlog.get_logger(__name__)


def retry(messages: QuerySet[OutboxMessage], context: Context) -> int:
    """Send failed messages, and those whose outcome is unknown, once more; how many. Raises Refused."""
    _require_retry_delivery(context)
    repeated = _once_more(messages.filter(state__in=REPEATABLE), context)
    log.info("retried", count=repeated, actor_id=context.actor_id)
    return repeated


def resolve(messages: QuerySet[OutboxMessage], delivered: bool, context: Context) -> int:
    """Somebody knows what became of messages with an unknown outcome: they arrived, or are sent once more.

    One call has one outcome, so it holds for whatever else that call carried. How many messages it was; those that
    are not uncertain (any more) are passed over. Raises Refused.
    """
    _require_retry_delivery(context)
    asked = list(messages.filter(state=MessageState.UNCERTAIN).values_list("pk", "attempt_id"))
    same_call = Q(attempt_id__in={attempt_id for _, attempt_id in asked if attempt_id})
    uncertain = OutboxMessage.objects.filter(
        same_call | Q(pk__in=[pk for pk, _ in asked]), state=MessageState.UNCERTAIN
    )
    count = _arrived(uncertain, context) if delivered else _once_more(uncertain, context)
    log.info("resolved", count=count, delivered=delivered, actor_id=context.actor_id)
    return count


def _require_retry_delivery(context: Context) -> None:
    if context.actor_id is None:
        return
    actor = Person.objects.filter(pk=context.actor_id, is_active=True).first()
    if actor is None or not can(actor, Capability.RETRY_DELIVERY):
        raise Refused(Code.FORBIDDEN, Capability.RETRY_DELIVERY)


def _once_more(messages: QuerySet[OutboxMessage], context: Context) -> int:
    return messages.update(
        state=MessageState.QUEUED,
        due_at=clock.now(),
        failures=0,
        moved=False,
        attempt_id=None,
        carried_by=None,
        retried_by_id=context.actor_id,
    )


def _arrived(messages: QuerySet[OutboxMessage], context: Context) -> int:
    return messages.update(
        state=MessageState.SENT, sent_at=clock.now(), error="", resolved_by_id=context.actor_id
    )
