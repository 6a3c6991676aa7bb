"""Everything that is kept about one person, as JSON for themselves: each room adds its section.

The shape: `{"efir_export": 1, "made_at": …, "left_out": {section: rows}, section: [row, …], …}`, times in UTC ending
in `Z`, webinars by id and title, and other people by number at most: it is the person's data and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeAlias

from axes.models import AccessAttempt
from django.db.models import F, Q

from efir.accounts.models import Person
from efir.audit.models import AuditAddress, AuditEntry
from efir.hooks.models import JournalEntry
from efir.lib import clock

Row: TypeAlias = Mapping[str, Any]
Section: TypeAlias = Callable[[Person], Iterable[Row]]

VERSION = 1

_sections: dict[str, Section] = {}


def section(name: str) -> Callable[[Section], Section]:
    """Register what a room keeps about a person, as a section of this name."""

    def register(rows: Section) -> Section:
        _sections[name] = rows
        return rows

    return register


def data_of(person: Person, limit: int | None = None) -> dict[str, Any]:
    """The person's data, at most `limit` rows of each section: `left_out` says how many more there are."""
    left_out: dict[str, int] = {}
    told: dict[str, Any] = {"efir_export": VERSION, "made_at": clock.iso(clock.now()), "left_out": left_out}
    for name, rows in _sections.items():
        remaining = iter(rows(person))
        told[name] = [_plain(row) for row in islice(remaining, limit)]
        if more := sum(1 for _ in remaining):
            left_out[name] = more
    return told


def _plain(row: Row) -> dict[str, Any]:
    return {name: clock.iso(value) if isinstance(value, datetime) else value for name, value in row.items()}


@section("account")
def _account(person: Person) -> Iterable[Row]:
    yield {
        "id": person.pk,
        "login": person.login,
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "telegram_name": person.telegram_name,
        "role": person.role,
        "referral_code": person.ref_code,
        "invited_by_id": person.invited_by_id,
        "created_at": person.created_at,
        "last_login": person.last_login,
        "is_active": person.is_active,
        "consent_at": person.consent_at,
        "consent_version": person.consent_version,
    }


@section("invited_by_you")
def _candidates(person: Person) -> Iterable[Row]:
    return person.candidates.order_by("pk").values("id", "created_at").iterator()


@section("sessions")
def _sessions(person: Person) -> Iterable[Row]:
    """Browsers that are logged in; the key itself would let somebody in."""
    for expires_at in person.sessions.order_by("expire_date").values_list("expire_date", flat=True):
        yield {"expires_at": expires_at}


@section("failed_log_ins")
def _failed_log_ins(person: Person) -> Iterable[Row]:
    """Wrong passwords for this log-in, whoever typed them; the passwords themselves are not kept."""
    attempts = AccessAttempt.objects.filter(username=person.login).order_by("pk")
    told = {"at": F("attempt_time"), "tries": F("failures_since_start"), "query": F("get_data")}
    yield from attempts.values("ip_address", "user_agent", "http_accept", "path_info", "post_data", **told)


@section("facts")
def _facts(person: Person) -> Iterable[Row]:
    facts = JournalEntry.objects.filter(lead_id=person.pk).order_by("pk")
    return facts.values("event", "webinar_id", "moment", "payload").iterator()


@section("audit_log")
def _deeds(person: Person) -> Iterable[Row]:
    """What the person did, and what was done to them; who else had a hand in it is not theirs to take along."""
    for entry in AuditEntry.objects.filter(Q(actor_id=person.pk) | Q(person_id=person.pk)).order_by("pk"):
        yield {
            "at": entry.at,
            "action": entry.action,
            "by_you": entry.actor_id == person.pk,
            "about_you": entry.person_id == person.pk,
            "webinar_id": entry.webinar_id,
            "details": entry.details,
        }


@section("addresses")
def _addresses(person: Person) -> Iterable[Row]:
    """From where the person did what is in the audit log, the ledger and the journal."""
    rows = AuditAddress.objects.filter(actor_id=person.pk).order_by("pk")
    return rows.values("at", "address", "origin", "entry_id").iterator()
