"""Check the journal against what was written beside each fact, and each route against the verdict it follows from."""

from __future__ import annotations

from collections.abc import Iterator
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
from efir.ops.verify.issue import Issue, Key, differences, lead_ids

CHUNK = 2000


def issues() -> Iterator[Issue]:
    """Compare each kind of fact with the rows that were written in the same transaction."""
    yield from _unreadable()
    entered, completed = _participations("entered_at"), _participations("completed_at")
    classified = (
        (key, (payload["attended"], "attended" if payload["attended"] else "not_attended"))
        for key, payload in facts(ClientWebinarAttendanceClassified.name)
    )
    comparisons = (
        (ClientWebinarEntered.name, ("timestamp", "session_id"), "participation", entered),
        (ClientWebinarCompleted.name, ("completed_at", "session_id"), "participation", completed),
        (
            ClientWebinarAttendanceClassified.name,
            ("attended", "reason", "rule", "timestamp"),
            "verdict",
            _verdicts(),
        ),
        (PostWebinarRoute.name, ("attended", "route"), "classified fact", classified),
    )
    for event, fields, source, expected in comparisons:
        journalled = ((key, tuple(map(payload.get, fields))) for key, payload in facts(event))
        for key, stored, fact in differences(expected, journalled):
            if fact is None:
                wrong = f"{event} is not in the journal, though the {source} is there"
            elif stored is None:
                wrong = f"{event} is in the journal, but not the {source}"
            else:
                wrong = f"{event} says {fact}, and the {source} {stored}"
            yield Issue("journal", lead_ids(key), wrong)


def facts(event: str) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield ((webinar id, lead id), payload) of every fact of one kind, sorted."""
    rows = JournalEntry.objects.filter(event=event).order_by("webinar_id", "lead_id")
    for webinar_id, lead_id, payload in rows.values_list("webinar_id", "lead_id", "payload").iterator(CHUNK):
        yield (webinar_id, lead_id), payload


def _unreadable() -> Iterator[Issue]:
    """Check that each fact is one of the contract, and has in its columns what its payload says."""
    for entry in JournalEntry.objects.order_by("pk").iterator(CHUNK):
        try:
            event = from_payload(entry.event, entry.payload)
        except (KeyError, TypeError, ValueError):
            wrong = f"is no {entry.event if entry.event in EVENTS else 'fact of the contract'}"
        else:
            columns = (entry.webinar_id, entry.lead_id, entry.moment)
            if (event.webinar_id, event.lead_id, event.moment) == columns:
                continue
            wrong = "says something else in its columns than in its payload"
        yield Issue("journal", {"id": entry.pk, **lead_ids((entry.webinar_id, entry.lead_id))}, wrong)


def _participations(moment: str) -> Iterator[tuple[Key, Any]]:
    rows = Participation.objects.filter(is_lead=True).exclude(**{moment: None})
    columns = ("webinar_id", "person_id", moment, "session_id")
    ordered = rows.order_by("webinar_id", "person_id").values_list(*columns)
    for webinar_id, person_id, at, session_id in ordered.iterator(CHUNK):
        yield (webinar_id, person_id), (clock.iso(at), str(session_id))


def _verdicts() -> Iterator[tuple[Key, Any]]:
    rows = Verdict.objects.exclude(attended=None).order_by("webinar_id", "lead_id")
    for verdict in rows.defer("intervals").iterator(CHUNK):
        moment = clock.iso(verdict.decided_at or verdict.classified_at)
        content = (verdict.attended, verdict.reason, verdict.rule, moment)
        yield (verdict.webinar_id, verdict.lead_id), content
