"""Check that each classified lead has exactly the messages of the contract, in states that their columns confirm."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.db.models import F, Q, QuerySet

from efir.accounts.models import Person
from efir.hooks.events import PostWebinarRoute
from efir.ops.verify.issue import Issue, Key, differences, lead_ids
from efir.ops.verify.journal import facts
from efir.telegram.models import Ineligible, Kind, MessageState, OutboxMessage

CHUNK = 2000
LOOK = "look in the chat, then mark it on the webinar's page as delivered, or send it again"

# (state, condition that contradicts it, that condition in words)
CONTRADICTIONS: tuple[tuple[MessageState, Q, str], ...] = (
    (MessageState.SENT, Q(sent_at=None), "without a moment"),
    (
        MessageState.SENT,
        Q(message_id=None, uncertain_count=0, resolved_by=None, person__erased_at=None),
        "without Telegram's id for it, and nobody marked it as delivered",
    ),
    (MessageState.SENT, ~Q(message_id=None) & (Q(attempts=0) | Q(attempt_id=None)), "without a call"),
    (
        MessageState.SENDING,
        Q(attempt_id=None) | Q(holder=None) | Q(attempts=0),
        "without a call or its holder",
    ),
    (
        MessageState.QUEUED,
        Q(holder=None, uncertain_count=0, attempt_id__isnull=False),
        "with a call that is over",
    ),
    (MessageState.QUEUED, ~Q(holder=None), "with a holder"),
    (MessageState.QUEUED, ~Q(sent_at=None), "with a moment at which it was sent"),
    (MessageState.UNCERTAIN, Q(uncertain_count=0), "without a call whose outcome is unknown"),
    (MessageState.FAILED, Q(error=""), "without a reason"),
    (MessageState.WAITING_LINK, Q(expires_at=None), "without an end"),
    (MessageState.WAITING_RECORDING, Q(expires_at=None), "without an end"),
    (MessageState.EXPIRED, Q(expires_at=None) & ~Q(error__in=Ineligible.values), "without an end"),
)
WRONG_CARRIER = ~Q(carried_by=None) & (
    ~Q(carried_by__person_id=F("person_id"))
    | ~Q(carried_by__webinar_id=F("webinar_id"))
    | Q(state=MessageState.SENT) & ~Q(carried_by__attempt_id=F("attempt_id"))
)


def issues() -> Iterator[Issue]:
    """Compare the messages with the routes of the journal, then each message's state with its own columns."""
    for key, expected, stored in differences(_expected(), _stored()):
        yield Issue(
            "messages", lead_ids(key), f"should have {_describe(expected)}, and has {_describe(stored)}"
        )
    messages = OutboxMessage.objects.all()
    unknown = messages.exclude(state__in=MessageState.values)
    yield from _wrong(unknown, "is in a state that does not exist")
    for state, contradiction, words in CONTRADICTIONS:
        yield from _wrong(messages.filter(contradiction, state=state), words)
    yield from _wrong(messages.filter(WRONG_CARRIER), "by a message whose call did not include it")


def _wrong(messages: QuerySet[OutboxMessage], words: str) -> Iterator[Issue]:
    rows = messages.order_by("pk").values_list("pk", "webinar_id", "state")
    for message_id, webinar_id, state in rows.iterator(CHUNK):
        yield Issue("message", {"id": message_id, "webinar": webinar_id}, f"{state} {words}", LOOK)


def _expected() -> Iterator[tuple[Key, dict[str, int]]]:
    """Yield ((webinar, lead), {kind: receiver}) by the contract."""
    inviters = dict(Person.objects.exclude(invited_by=None).values_list("pk", "invited_by_id"))
    for (webinar_id, lead_id), fact in facts(PostWebinarRoute.name):
        receivers: dict[str, int] = {Kind.CANDIDATE_FOLLOWUP.value: lead_id}
        if inviter_id := inviters.get(lead_id):
            receivers[Kind.PARTNER_ATTENDANCE.value] = inviter_id
        if fact["route"] == "not_attended":
            receivers[Kind.CANDIDATE_RECORDING.value] = lead_id
        yield (webinar_id, lead_id), receivers


def _stored() -> Iterator[tuple[Key, dict[str, int]]]:
    caused_by_events = (Kind.PARTNER_ATTENDANCE, Kind.CANDIDATE_FOLLOWUP, Kind.CANDIDATE_RECORDING)
    messages = OutboxMessage.objects.filter(kind__in=caused_by_events).order_by("webinar_id", "lead_id")
    rows = messages.values_list("webinar_id", "lead_id", "kind", "person_id")
    for key, group in groupby(rows.iterator(CHUNK), lambda row: (row[0], row[1])):
        yield key, {kind: person_id for _, _, kind, person_id in group}


def _describe(messages: dict[str, Any] | None) -> str:
    pairs = sorted((messages or {}).items())
    return ", ".join(f"{kind} to {person_id}" for kind, person_id in pairs) or "no message"
