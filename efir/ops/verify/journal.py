"""The journal agrees with what was written beside each fact, and each fact with the one that it follows from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from efir.attendance.models import Participation, Verdict
from efir.hooks.events import (
    EVENTS,
    ClientWebinarAttendanceClassified,
    ClientWebinarCompleted,
    ClientWebinarEntered,
    PostWebinarRoute,
    from_payload,
)
from efir.hooks.models import JournalEntry
from efir.lib import clock
from efir.ops.verify.database import FROM_BACKUP
from efir.ops.verify.problem import Issue, Key, differences

CHUNK = 2000


def problems() -> Iterator[Issue]:
    """Entered and completed by the participations, classified by the verdicts, the route by the verdict's fact."""
    yield from _unreadable()
    yield from _differ(ClientWebinarEntered.name, "participation", _participations("entered_at"))
    yield from _differ(ClientWebinarCompleted.name, "participation", _participations("completed_at"))
    yield from _differ(ClientWebinarAttendanceClassified.name, "verdict", _verdicts())
    classified = facts(ClientWebinarAttendanceClassified.name)
    routed = ((key, (said["attended"], _way(said["attended"]))) for key, said in classified)
    yield from _differ(PostWebinarRoute.name, "the classified fact", routed)


def facts(event: str) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Every fact of one kind by (webinar, lead), in that order: what it says."""
    rows = JournalEntry.objects.filter(event=event).order_by("webinar_id", "lead_id")
    for webinar_id, lead_id, payload in rows.values_list("webinar_id", "lead_id", "payload").iterator(CHUNK):
        yield (webinar_id, lead_id), payload


def _unreadable() -> Iterator[Issue]:
    """A fact says what its columns say, and is one that the contract knows."""
    for entry in JournalEntry.objects.order_by("pk").iterator(CHUNK):
        try:
            event = from_payload(entry.event, entry.payload)
        except (KeyError, TypeError, ValueError):
            wrong = f"is no {entry.event if entry.event in EVENTS else 'fact of the contract'}"
        else:
            if (event.webinar_id, event.lead_id, event.moment) == (
                entry.webinar_id,
                entry.lead_id,
                entry.moment,
            ):
                continue
            wrong = "says something else in its columns than in its payload"
        yield Issue(
            "journal", {"id": entry.pk, **_ids((entry.webinar_id, entry.lead_id))}, wrong, FROM_BACKUP
        )


def _differ(event: str, beside: str, expected: Iterator[tuple[Key, Any]]) -> Iterator[Issue]:
    journalled = ((key, _essence(event, payload)) for key, payload in facts(event))
    for key, stored, said in differences(expected, journalled):
        wrong = (
            f"{event} is not in the journal, though the {beside} is there"
            if said is None
            else f"{event} is in the journal, but not the {beside}"
            if stored is None
            else f"{event} says {said}, and the {beside} {stored}"
        )
        yield Issue("journal", _ids(key), wrong, FROM_BACKUP)


def _essence(event: str, payload: dict[str, Any]) -> Any:
    """What of a fact stands elsewhere, too."""
    names = {
        ClientWebinarEntered.name: ("timestamp", "session_id"),
        ClientWebinarCompleted.name: ("completed_at", "session_id"),
        ClientWebinarAttendanceClassified.name: ("attended", "reason", "rule", "timestamp"),
        PostWebinarRoute.name: ("attended", "route"),
    }[event]
    return tuple(payload.get(name) for name in names)


def _participations(moment: str) -> Iterator[tuple[Key, Any]]:
    rows = (
        Participation.objects.filter(is_lead=True)
        .exclude(**{moment: None})
        .order_by("webinar_id", "person_id")
    )
    columns = ("webinar_id", "person_id", moment, "session_id")
    for webinar_id, person_id, at, session_id in rows.values_list(*columns).iterator(CHUNK):
        yield (webinar_id, person_id), (clock.iso(at), str(session_id))


def _verdicts() -> Iterator[tuple[Key, Any]]:
    rows = Verdict.objects.exclude(attended=None).order_by("webinar_id", "lead_id")
    columns = ("webinar_id", "lead_id", "attended", "reason", "rule", "classified_at", "decided_at")
    for webinar_id, lead_id, attended, reason, rule, classified_at, decided_at in rows.values_list(
        *columns
    ).iterator(CHUNK):
        moment: datetime = decided_at or classified_at
        yield (webinar_id, lead_id), (attended, reason, rule, clock.iso(moment))


def _way(attended: bool) -> str:
    return "attended" if attended else "not_attended"


def _ids(key: Key) -> dict[str, object]:
    return dict(zip(("webinar", "lead"), key, strict=True))
