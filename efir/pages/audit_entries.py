"""Deeds from the three places that tell of them: the audit log, Core's ledger, and decisions in the journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, cast

from django.db.models import F, Q, QuerySet, Value

from efir.accounts.models import Person
from efir.audit.actions import Action
from efir.audit.models import AuditAddress, AuditEntry, Origin
from efir.hooks.actions import Source
from efir.hooks.events import ClientWebinarAttendanceClassified
from efir.hooks.models import JournalEntry
from efir.lib import clock
from efir.webinars.lifecycle import Status
from efir.webinars.models import LedgerEntry, Webinar

CHUNK = 200

# Where a deed is written: the table, when, and the row's id.
Place: TypeAlias = tuple[str, datetime, int]
Places: TypeAlias = QuerySet[Any, Place]

_STEPS = {
    Action.WEBINAR_PUBLISHED: Q(to_status=Status.SCHEDULED, from_status=Status.DRAFT),
    Action.WEBINAR_STARTED: Q(to_status=Status.LIVE, from_status=Status.SCHEDULED),
    Action.WEBINAR_PAUSED: Q(to_status=Status.PAUSED, from_status=Status.LIVE),
    Action.WEBINAR_RESUMED: Q(to_status=Status.LIVE, from_status=Status.PAUSED),
    Action.WEBINAR_STOPPED: Q(to_status=Status.FINISHED, from_status__in=[Status.LIVE, Status.PAUSED]),
    Action.WEBINAR_ARCHIVED: Q(to_status=Status.ARCHIVED, from_status=Status.FINISHED),
    Action.CTA_SHOWN: Q(from_status=F("to_status"), cta_visible=True),
    Action.CTA_HIDDEN: Q(from_status=F("to_status"), cta_visible=False),
}
_MOVES = {
    (Status.DRAFT, Status.SCHEDULED): Action.WEBINAR_PUBLISHED,
    (Status.SCHEDULED, Status.LIVE): Action.WEBINAR_STARTED,
    (Status.LIVE, Status.PAUSED): Action.WEBINAR_PAUSED,
    (Status.PAUSED, Status.LIVE): Action.WEBINAR_RESUMED,
    (Status.LIVE, Status.FINISHED): Action.WEBINAR_STOPPED,
    (Status.PAUSED, Status.FINISHED): Action.WEBINAR_STOPPED,
    (Status.FINISHED, Status.ARCHIVED): Action.WEBINAR_ARCHIVED,
}


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which deeds: of one webinar, by or about one person, of one kind; all where nothing is said."""

    webinar_id: int | None = None
    person_id: int | None = None
    action: str = ""


@dataclass(slots=True)
class AuditRecord:
    """One deed as it is shown."""

    place: tuple[str, int]
    at: datetime
    actor_id: int | None
    source: str
    action: str
    webinar_id: int | None
    person_id: int | None
    details: dict[str, Any]
    address: str = ""
    actor: Person | None = None
    person: Person | None = None
    webinar: str = ""
    changes: dict[str, list[Any]] = field(default_factory=dict)


def list_entries(asked: AuditFilter) -> Places:
    """Where the deeds are written, the latest first; to be paged through and handed to `read`."""
    return (
        _placed(_audit(asked), Origin.AUDIT, "at")
        .union(
            _placed(_ledger(asked), Origin.LEDGER, "at"),
            _placed(_journal(asked), Origin.JOURNAL, "recorded_at"),
            all=True,
        )
        .order_by("-deed_at", "origin", "-pk")
    )


def _placed(rows: QuerySet[Any], origin: Origin, at: str) -> Places:
    placed = rows.order_by().annotate(origin=Value(origin.value), deed_at=F(at))
    return cast(Places, placed.values_list("origin", "deed_at", "pk"))


def _audit(asked: AuditFilter) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.all()
    if asked.webinar_id is not None:
        rows = rows.filter(webinar_id=asked.webinar_id)
    if asked.person_id is not None:
        rows = rows.filter(Q(actor_id=asked.person_id) | Q(person_id=asked.person_id))
    if asked.action:
        return rows.filter(action=asked.action)
    # Everybody who signs up consents: that is told where it is asked for, and would drown the rest.
    return rows if asked.person_id is not None else rows.exclude(action=Action.CONSENT_GIVEN)


def _ledger(asked: AuditFilter) -> QuerySet[LedgerEntry]:
    rows = LedgerEntry.objects.all()
    if asked.webinar_id is not None:
        rows = rows.filter(webinar_id=asked.webinar_id)
    if asked.person_id is not None:
        rows = rows.filter(actor_id=asked.person_id)
    if asked.action:
        step = _STEPS.get(Action(asked.action)) if asked.action in list(Action) else None
        rows = rows.filter(step) if step else rows.none()
    return rows


def _journal(asked: AuditFilter) -> QuerySet[JournalEntry]:
    rows = JournalEntry.objects.filter(actor_id__isnull=False, event=ClientWebinarAttendanceClassified.name)
    if asked.webinar_id is not None:
        rows = rows.filter(webinar_id=asked.webinar_id)
    if asked.person_id is not None:
        rows = rows.filter(Q(actor_id=asked.person_id) | Q(lead_id=asked.person_id))
    return rows if asked.action in ("", Action.VERDICT_DECIDED) else rows.none()


def load_entries(page: Sequence[Place]) -> list[AuditRecord]:
    """The deeds written in these places, in their order, with names, titles and addresses: a query for each table."""
    ids = {origin: [pk for where, _, pk in page if where == origin] for origin in Origin.values}
    deeds = [
        *map(_from_audit, AuditEntry.objects.filter(pk__in=ids[Origin.AUDIT])),
        *map(_from_ledger, LedgerEntry.objects.filter(pk__in=ids[Origin.LEDGER])),
        *map(_from_journal, JournalEntry.objects.filter(pk__in=ids[Origin.JOURNAL])),
    ]
    _name(deeds)
    _locate(deeds, ids)
    found = {deed.place: deed for deed in deeds}
    return [found[origin, pk] for origin, _, pk in page if (origin, pk) in found]


def iter_entries(asked: AuditFilter) -> Iterator[AuditRecord]:
    """All of them, read a few at a time."""
    rows = list(list_entries(asked))
    for start in range(0, len(rows), CHUNK):
        yield from load_entries(rows[start : start + CHUNK])


def _from_audit(row: AuditEntry) -> AuditRecord:
    details = dict(row.details)
    changes = details.pop("changes", {})
    return AuditRecord(
        (Origin.AUDIT.value, row.pk),
        row.at,
        row.actor_id,
        row.source,
        row.action,
        row.webinar_id,
        row.person_id,
        details,
        changes=changes,
    )


def _from_ledger(row: LedgerEntry) -> AuditRecord:
    shown = Action.CTA_SHOWN if row.cta_visible else Action.CTA_HIDDEN
    action = _MOVES.get((Status(row.from_status), Status(row.to_status)), shown)
    place = (Origin.LEDGER.value, row.pk)
    return AuditRecord(place, row.at, row.actor_id, row.source, action.value, row.webinar_id, None, {})


def _from_journal(row: JournalEntry) -> AuditRecord:
    return AuditRecord(
        (Origin.JOURNAL.value, row.pk),
        row.recorded_at,
        row.actor_id,
        Source.WEB.value,
        Action.VERDICT_DECIDED.value,
        row.webinar_id,
        row.lead_id,
        {"attended": row.payload.get("attended")},
    )


def _name(deeds: Sequence[AuditRecord]) -> None:
    people = Person.objects.in_bulk(
        [pk for deed in deeds for pk in (deed.actor_id, deed.person_id) if pk is not None]
    )
    webinars = Webinar.objects.filter(pk__in={deed.webinar_id for deed in deeds if deed.webinar_id})
    titles = dict(webinars.values_list("pk", "title"))
    for deed in deeds:
        deed.actor = people.get(deed.actor_id or 0)
        deed.person = people.get(deed.person_id or 0)
        deed.webinar = titles.get(deed.webinar_id or 0, "")


def _locate(deeds: Sequence[AuditRecord], ids: dict[str, list[int]]) -> None:
    sought = Q(pk__in=[])
    for origin, pks in ids.items():
        sought |= Q(origin=origin, entry_id__in=pks)
    rows = AuditAddress.objects.filter(sought).values_list("origin", "entry_id", "address")
    addresses = {(origin, pk): address for origin, pk, address in rows}
    for deed in deeds:
        deed.address = addresses.get(deed.place, "")


def entry_as_json(deed: AuditRecord) -> dict[str, Any]:
    """One deed for the command line: people by log-in, times in UTC."""
    return {
        "at": clock.iso(deed.at),
        "actor": deed.actor.login if deed.actor else None,
        "source": deed.source,
        "action": deed.action,
        "webinar_id": deed.webinar_id,
        "person": deed.person.login if deed.person else None,
        "address": deed.address or None,
        "changes": deed.changes,
        **deed.details,
    }
