"""Sending again, and deciding what nobody else knows: what people do about messages that did not surely arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import ActionRefused, Code, Context
from efir.lib import clock
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox.log import tell

Act: TypeAlias = Callable[[QuerySet[OutboxMessage], Context], int]

REPEATABLE = (MessageState.FAILED, MessageState.UNCERTAIN)

log = structlog.get_logger(__name__)


def retry(messages: QuerySet[OutboxMessage], context: Context) -> int:
    """Send failed messages, and those whose outcome is unknown, once more; how many. Raises Refused."""
    _require_retry_delivery(context)
    repeated = _noted(messages.filter(state__in=REPEATABLE), Action.MESSAGES_RETRIED, _once_more, context)
    tell(log, "retried", repeated, actor_id=context.actor_id)
    return len(repeated)


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
    settle = _arrived if delivered else _once_more
    resolved = _noted(uncertain, Action.MESSAGES_RESOLVED, settle, context, delivered=delivered)
    tell(log, "resolved", resolved, delivered=delivered, actor_id=context.actor_id)
    return len(resolved)


def _noted(
    messages: QuerySet[OutboxMessage], action: Action, act: Act, context: Context, **details: Any
) -> list[int]:
    """Act on these messages and write it down, a line for each webinar; which they were."""
    with transaction.atomic():
        webinars = dict(messages.select_for_update().values_list("pk", "webinar_id"))
        act(messages, context)
        for webinar_id, number in Counter(webinars.values()).items():
            record(action, context, webinar_id=webinar_id, messages=number, **details)
        return sorted(webinars)


def _require_retry_delivery(context: Context) -> None:
    if context.actor_id is None:
        return
    actor = Person.objects.filter(pk=context.actor_id, is_active=True).first()
    if actor is None or not can(actor, Capability.RETRY_DELIVERY):
        raise ActionRefused(Code.FORBIDDEN, Capability.RETRY_DELIVERY)


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
