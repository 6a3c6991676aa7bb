"""Decisions of people about failed and uncertain messages: send again, or mark as delivered.

The automatic retry after a failed call is in `efir.telegram.outbox.completion`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from efir.accounts.capabilities import Capability
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context
from efir.lib import clock
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox.enqueue import log_message_ids
from efir.webinars.core import authorize

RETRIABLE = (MessageState.FAILED, MessageState.UNCERTAIN)

log = structlog.get_logger(__name__)


@transaction.atomic
def retry(messages: QuerySet[OutboxMessage], context: Context) -> int:
    """Queue the failed and the uncertain messages among these again. Return how many.

    Raises ActionRefused if the actor lacks `retry_delivery`.
    """
    authorize(context, Capability.RETRY_DELIVERY)
    retriable = messages.filter(state__in=RETRIABLE)
    retried = _update(retriable, _queued_again(context), Action.MESSAGES_RETRIED, context)
    log_message_ids(log, "retried", retried, actor_id=context.actor_id)
    return len(retried)


@transaction.atomic
def resolve(messages: QuerySet[OutboxMessage], delivered: bool, context: Context) -> int:
    """Resolve the uncertain messages among these: mark them as delivered, or queue them again. Return how many.

    One call has one outcome, so the decision also applies to the other messages of that call. Raises ActionRefused if
    the actor lacks `retry_delivery`.
    """
    authorize(context, Capability.RETRY_DELIVERY)
    asked = list(messages.filter(state=MessageState.UNCERTAIN).values_list("pk", "attempt_id"))
    same_call = Q(attempt_id__in={attempt_id for _, attempt_id in asked if attempt_id})
    uncertain = OutboxMessage.objects.filter(
        same_call | Q(pk__in=[pk for pk, _ in asked]), state=MessageState.UNCERTAIN
    )
    changes = _queued_again(context)
    if delivered:
        changes = {
            "state": MessageState.SENT,
            "sent_at": clock.now(),
            "error": "",
            "resolved_by_id": context.actor_id,
        }
    resolved = _update(uncertain, changes, Action.MESSAGES_RESOLVED, context, delivered=delivered)
    log_message_ids(log, "resolved", resolved, delivered=delivered, actor_id=context.actor_id)
    return len(resolved)


def _queued_again(context: Context) -> dict[str, Any]:
    return {
        "state": MessageState.QUEUED,
        "due_at": clock.now(),
        "failures": 0,
        "moved": False,
        "attempt_id": None,
        "carried_by": None,
        "retried_by_id": context.actor_id,
    }


def _update(
    messages: QuerySet[OutboxMessage],
    changes: dict[str, Any],
    action: Action,
    context: Context,
    **details: Any,
) -> list[int]:
    """Change these messages and record it in the audit log, once for each webinar. Return the messages' ids."""
    with transaction.atomic():
        webinars = dict(messages.select_for_update().values_list("pk", "webinar_id"))
        messages.update(**changes)
        for webinar_id, number in Counter(webinars.values()).items():
            record(action, context, webinar_id=webinar_id, messages=number, **details)
        return sorted(webinars)
