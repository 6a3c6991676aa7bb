"""Who may not be written to any more: an account can be closed, a capability taken away, a person erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from efir.accounts.capabilities import people_who_can
from efir.accounts.models import Person
from efir.telegram.models import NO_ACCESS, PERSON_ERASED, MessageState, OutboxMessage
from efir.telegram.outbox.message_types import registered


def expire_ineligible(rows: Sequence[OutboxMessage], people: Mapping[int, Person]) -> list[OutboxMessage]:
    """Mark those of these messages that are for nobody, each with why; give them back. Nothing is written.

    `people`: id → each receiver and each lead.
    """
    allowed = _allowed(rows)
    barred = []
    for row in rows:
        if why := _why_not(row, people, allowed):
            row.state, row.expires_at, row.error = MessageState.EXPIRED, None, why
            barred.append(row)
    return barred


def _why_not(row: OutboxMessage, people: Mapping[int, Person], allowed: Mapping[str, frozenset[int]]) -> str:
    receiver = people[row.person_id]
    if receiver.erased_at or people[row.lead_id].erased_at:
        return PERSON_ERASED
    if not receiver.is_active or row.person_id not in allowed.get(row.kind, {row.person_id}):
        return NO_ACCESS
    return ""


def _allowed(rows: Sequence[OutboxMessage]) -> dict[str, frozenset[int]]:
    """Of each kind that is not for everybody: the receivers who may have it."""
    needs = {row.kind: registered(row.kind).needs for row in rows}
    receivers = {row.person_id for row in rows}
    return {
        kind: frozenset(people_who_can(needed).filter(pk__in=receivers).values_list("pk", flat=True))
        for kind, needed in needs.items()
        if needed
    }
