"""Each classified lead has exactly the messages of the contract, each in a state that its other columns bear out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

from django.db.models import F, Q

from efir.accounts.models import Person
from efir.hooks.events import PostWebinarRoute
from efir.ops.verify.database import FROM_BACKUP
from efir.ops.verify.journal import facts
from efir.ops.verify.problem import Issue, Key, differences
from efir.telegram.models import NO_ACCESS, PERSON_ERASED, Kind, MessageState, OutboxMessage

CHUNK = 2000
RETRY = "look in the chat, then say on the webinar's page whether it arrived"

# A state, what contradicts it, and that in words.
CONTRADICTIONS: tuple[tuple[MessageState, Q, str], ...] = (
    (MessageState.SENT, Q(sent_at=None), "without a moment"),
    (
        MessageState.SENT,
        Q(message_id=None, uncertain_count=0, resolved_by=None, person__erased_at=None),
        "without Telegram's number for it, and nobody said that it arrived",
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
    (MessageState.EXPIRED, Q(expires_at=None) & ~Q(error__in=[PERSON_ERASED, NO_ACCESS]), "without an end"),
)
CARRIED = ~Q(carried_by=None) & (
    ~Q(carried_by__person_id=F("person_id"))
    | ~Q(carried_by__webinar_id=F("webinar_id"))
    | Q(state=MessageState.SENT) & ~Q(carried_by__attempt_id=F("attempt_id"))
)


def problems() -> Iterator[Issue]:
    """The messages by the facts, then by themselves."""
    for key, expected, there in differences(_expected(), _there()):
        wrong = f"should have {_told(expected)}, and has {_told(there)}"
        yield Issue("messages", dict(zip(("webinar", "lead"), key, strict=True)), wrong, FROM_BACKUP)
    unknown = OutboxMessage.objects.exclude(state__in=MessageState.values)
    yield from _each(unknown.values_list("pk", "webinar_id", "state"), "is in a state that there is not")
    for state, contradiction, words in CONTRADICTIONS:
        rows = OutboxMessage.objects.filter(contradiction, state=state)
        yield from _each(rows.values_list("pk", "webinar_id", "state"), words)
    carried = OutboxMessage.objects.filter(CARRIED)
    yield from _each(carried.values_list("pk", "webinar_id", "state"), "by a message that did not carry it")


def _each(rows: Any, words: str) -> Iterator[Issue]:
    for message_id, webinar_id, state in rows.order_by("pk").iterator(CHUNK):
        yield Issue("message", {"id": message_id, "webinar": webinar_id}, f"{state} {words}", RETRY)


def _expected() -> Iterator[tuple[Key, dict[str, int]]]:
    """By the contract: (webinar, lead) → kind → receiver."""
    for chunk in _chunks(facts(PostWebinarRoute.name)):
        invited = Person.objects.filter(pk__in={lead_id for (_, lead_id), _ in chunk})
        inviters = dict(invited.exclude(invited_by=None).values_list("pk", "invited_by_id"))
        for key, fact in chunk:
            yield key, _due(key[1], inviters.get(key[1]), fact["route"])


def _due(lead_id: int, inviter_id: int | None, route: str) -> dict[str, int]:
    told = {Kind.PARTNER_ATTENDANCE.value: inviter_id} if inviter_id else {}
    recording = {Kind.CANDIDATE_RECORDING.value: lead_id} if route == "not_attended" else {}
    return told | {Kind.CANDIDATE_FOLLOWUP.value: lead_id} | recording


def _chunks(rows: Iterator[tuple[Key, Any]]) -> Iterator[list[tuple[Key, Any]]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _there() -> Iterator[tuple[Key, dict[str, int]]]:
    rows = OutboxMessage.objects.order_by("webinar_id", "lead_id").values_list(
        "webinar_id", "lead_id", "kind", "person_id"
    )
    for key, group in groupby(rows.iterator(CHUNK), lambda row: (row[0], row[1])):
        yield key, {kind: person_id for _, _, kind, person_id in group}


def _told(messages: dict[str, int] | None) -> str:
    pairs = sorted((messages or {}).items())
    return ", ".join(f"{kind} to {person_id}" for kind, person_id in pairs) or "no message"
