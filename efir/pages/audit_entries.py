"""The audit's entries from the three tables that record them: the audit log, Core's ledger and the hooks' journal."""

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

# The table, the time and the row's id of an entry.
EntryRef: TypeAlias = tuple[str, datetime, int]
EntryRefs: TypeAlias = QuerySet[Any, EntryRef]

_TRANSITIONS = {
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
    """The filter of entries: by webinar, by person (as actor or affected), by action, by time; all by default.

    `since` is the first moment of the span, `until` the first one after it.
    """

    webinar_id: int | None = None
    person_id: int | None = None
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def within(self, column: str) -> Q:
        """Return the condition on the column that holds the time of an entry."""
        bounds = {f"{column}__gte": self.since, f"{column}__lt": self.until}
        return Q(**{bound: moment for bound, moment in bounds.items() if moment})


@dataclass(slots=True)
class AuditRecord:
    """One entry as it is shown, whichever table it comes from."""

    origin: str
    pk: int
    at: datetime
    actor_id: int | None
    source: str
    action: str
    webinar_id: int | None
    person_id: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, list[Any]] = field(default_factory=dict)
    address: str = ""
    actor: Person | None = None
    person: Person | None = None
    webinar: str = ""


def find_entries(wanted: AuditFilter) -> EntryRefs:
    """Return references to the entries, the latest first, to be paged through and given to `load_entries`."""
    audit = AuditEntry.objects.filter(wanted.within("at"))
    ledger = LedgerEntry.objects.filter(wanted.within("at"))
    journal = JournalEntry.objects.filter(
        wanted.within("recorded_at"), actor_id__isnull=False, event=ClientWebinarAttendanceClassified.name
    )
    if wanted.webinar_id is not None:
        audit = audit.filter(webinar_id=wanted.webinar_id)
        ledger = ledger.filter(webinar_id=wanted.webinar_id)
        journal = journal.filter(webinar_id=wanted.webinar_id)
    if wanted.person_id is not None:
        audit = audit.filter(Q(actor_id=wanted.person_id) | Q(person_id=wanted.person_id))
        ledger = ledger.filter(actor_id=wanted.person_id)
        journal = journal.filter(Q(actor_id=wanted.person_id) | Q(lead_id=wanted.person_id))
    if wanted.action:
        audit = audit.filter(action=wanted.action)
        ledger = ledger.filter(_ledger_steps(wanted.action))
        journal = journal if wanted.action == Action.VERDICT_DECIDED else journal.none()
    elif wanted.person_id is None:
        # Everybody who signs up consents: unless the filter names a person or an action, these entries would hide the
        # others.
        audit = audit.exclude(action=Action.CONSENT_GIVEN)
    audit_refs = _refs(audit, Origin.AUDIT, "at")
    others = _refs(ledger, Origin.LEDGER, "at"), _refs(journal, Origin.JOURNAL, "recorded_at")
    return audit_refs.union(*others, all=True).order_by("-entry_at", "origin", "-pk")


def _ledger_steps(action: str) -> Q:
    if action in (Action.CTA_SHOWN, Action.CTA_HIDDEN):
        return Q(from_status=F("to_status"), cta_visible=action == Action.CTA_SHOWN)
    steps = Q(pk__in=[])
    for (before, after), of_step in _TRANSITIONS.items():
        if of_step == action:
            steps |= Q(from_status=before, to_status=after)
    return steps


def _refs(rows: QuerySet[Any], origin: Origin, at: str) -> EntryRefs:
    annotated = rows.order_by().annotate(origin=Value(origin.value), entry_at=F(at))
    return cast(EntryRefs, annotated.values_list("origin", "entry_at", "pk"))


def load_entries(refs: Sequence[EntryRef]) -> list[AuditRecord]:
    """Load these entries in their order, with names, titles and network addresses: one query for each table."""
    ids = {origin: [pk for of_ref, _, pk in refs if of_ref == origin] for origin in Origin.values}
    records = [
        *map(_from_audit, AuditEntry.objects.filter(pk__in=ids[Origin.AUDIT])),
        *map(_from_ledger, LedgerEntry.objects.filter(pk__in=ids[Origin.LEDGER])),
        *map(_from_journal, JournalEntry.objects.filter(pk__in=ids[Origin.JOURNAL])),
    ]
    people = Person.objects.in_bulk(
        [pk for record in records for pk in (record.actor_id, record.person_id) if pk is not None]
    )
    webinars = Webinar.objects.filter(pk__in={record.webinar_id for record in records if record.webinar_id})
    titles = dict(webinars.values_list("pk", "title"))
    found = Q(pk__in=[])
    for origin, pks in ids.items():
        found |= Q(origin=origin, entry_id__in=pks)
    rows = AuditAddress.objects.filter(found).values_list("origin", "entry_id", "address")
    addresses = {(origin, pk): address for origin, pk, address in rows}
    for record in records:
        record.actor = people.get(record.actor_id or 0)
        record.person = people.get(record.person_id or 0)
        record.webinar = titles.get(record.webinar_id or 0, "")
        record.address = addresses.get((record.origin, record.pk), "")
    by_ref = {(record.origin, record.pk): record for record in records}
    return [by_ref[origin, pk] for origin, _, pk in refs if (origin, pk) in by_ref]


def iter_entries(wanted: AuditFilter) -> Iterator[AuditRecord]:
    """Load all entries, a chunk at a time."""
    refs = list(find_entries(wanted))
    for start in range(0, len(refs), CHUNK):
        yield from load_entries(refs[start : start + CHUNK])


def _from_audit(row: AuditEntry) -> AuditRecord:
    details = dict(row.details)
    return AuditRecord(
        origin=Origin.AUDIT.value,
        pk=row.pk,
        at=row.at,
        actor_id=row.actor_id,
        source=row.source,
        action=row.action,
        webinar_id=row.webinar_id,
        person_id=row.person_id,
        changes=details.pop("changes", {}),
        details=details,
    )


def _from_ledger(row: LedgerEntry) -> AuditRecord:
    cta = Action.CTA_SHOWN if row.cta_visible else Action.CTA_HIDDEN
    return AuditRecord(
        origin=Origin.LEDGER.value,
        pk=row.pk,
        at=row.at,
        actor_id=row.actor_id,
        source=row.source,
        action=_TRANSITIONS.get((Status(row.from_status), Status(row.to_status)), cta).value,
        webinar_id=row.webinar_id,
    )


def _from_journal(row: JournalEntry) -> AuditRecord:
    return AuditRecord(
        origin=Origin.JOURNAL.value,
        pk=row.pk,
        at=row.recorded_at,
        actor_id=row.actor_id,
        source=Source.WEB.value,
        action=Action.VERDICT_DECIDED.value,
        webinar_id=row.webinar_id,
        person_id=row.lead_id,
        details={"attended": row.payload.get("attended")},
    )


def entry_as_json(record: AuditRecord) -> dict[str, Any]:
    """Return an entry for the command line: people by login, times in UTC."""
    return {
        "at": clock.iso(record.at),
        "actor": record.actor.login if record.actor else None,
        "source": record.source,
        "action": record.action,
        "webinar_id": record.webinar_id,
        "person": record.person.login if record.person else None,
        "address": record.address or None,
        "changes": record.changes,
        **record.details,
    }
