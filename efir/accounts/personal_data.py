"""Export everything that is stored about a person as JSON; each app registers its sections.

The format: `{"efir_export": 1, "made_at": …, section: [row, …], …, "left_out": {section: rows}}`, times in UTC ending
in `Z`, webinars by id and title. Other people appear by id at most, because their data is not the person's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeAlias

from asgiref.sync import sync_to_async
from axes.models import AccessAttempt
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import F, Q
from django.utils.translation import override

from efir.accounts.models import Person, SecondFactor
from efir.audit.models import AuditAddress, AuditEntry
from efir.hooks.models import JournalEntry
from efir.lib import clock

Row: TypeAlias = Mapping[str, Any]
Section: TypeAlias = Callable[[Person], Iterable[Row]]

# Increases with every change of the format that readers have to handle.
VERSION = 1

_sections: dict[str, Section] = {}


def section(name: str) -> Callable[[Section], Section]:
    """Register the decorated function as the section `name` of the export."""

    def register(read: Section) -> Section:
        _sections[name] = read
        return read

    return register


def export_data(person: Person, limit: int | None = None) -> dict[str, Any]:
    """Return the person's data with at most `limit` rows a section; `left_out` counts the others."""
    left_out: dict[str, int] = {}
    data: dict[str, Any] = _head() | {"left_out": left_out}
    for name in _sections:
        data[name], more = _read_section(name, person, limit)
        if more:
            left_out[name] = more
    return data


async def stream_data(person: Person, limit: int, language: str) -> AsyncIterator[str]:
    """Yield the same as JSON, one section at a time, so that it begins at once and no cursor stays open."""
    left_out: dict[str, int] = {}
    yield json.dumps(_head(), ensure_ascii=False)[:-1]
    for name in _sections:
        rows, more = await sync_to_async(_encode_section)(name, person, limit, language)
        if more:
            left_out[name] = more
        yield f",\n{json.dumps(name)}: [{rows}]"
    yield f",\n{json.dumps('left_out')}: {json.dumps(left_out)}}}\n"


def _head() -> dict[str, Any]:
    return {"efir_export": VERSION, "made_at": clock.iso(clock.now())}


def _encode_section(name: str, person: Person, limit: int, language: str) -> tuple[str, int]:
    with override(language):
        rows, more = _read_section(name, person, limit)
    encoder = DjangoJSONEncoder(ensure_ascii=False)
    return ",".join(f"\n {encoder.encode(row)}" for row in rows), more


def _read_section(name: str, person: Person, limit: int | None) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of a section, and how many are left out."""
    rows = iter(_sections[name](person))
    taken = [
        {field: clock.iso(value) if isinstance(value, datetime) else value for field, value in row.items()}
        for row in islice(rows, limit)
    ]
    return taken, sum(1 for _ in rows)


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
        "language": person.language,
        "consent_at": person.consent_at,
        "consent_version": person.consent_version,
    }


@section("invited_by_you")
def _candidates(person: Person) -> Iterable[Row]:
    return person.candidates.order_by("pk").values("id", "created_at").iterator()


@section("sessions")
def _sessions(person: Person) -> Iterable[Row]:
    # Without the keys: with a key, anybody who gets the file could log in.
    rows = person.sessions.order_by("expire_date")
    return rows.values("device", "used_at", expires_at=F("expire_date")).iterator()


@section("second_factor")
def _second_factor(person: Person) -> Iterable[Row]:
    # Without the secret: with it, anybody who gets the file could compute codes.
    for since in SecondFactor.objects.filter(person=person).values_list("since", flat=True):
        yield {"since": since, "recovery_codes_left": person.recovery_codes.count()}


@section("failed_log_ins")
def _failed_log_ins(person: Person) -> Iterable[Row]:
    # django-axes stores no passwords.
    attempts = AccessAttempt.objects.filter(username=person.login).order_by("pk")
    renamed = {"at": F("attempt_time"), "tries": F("failures_since_start"), "query": F("get_data")}
    yield from attempts.values("ip_address", "user_agent", "http_accept", "path_info", "post_data", **renamed)


@section("facts")
def _facts(person: Person) -> Iterable[Row]:
    facts = JournalEntry.objects.filter(lead_id=person.pk).order_by("pk")
    return facts.values("event", "webinar_id", "moment", "payload").iterator()


@section("audit_log")
def _audit_entries(person: Person) -> Iterable[Row]:
    """Return what the person did and what was done to them, without the id of the other person."""
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
    rows = AuditAddress.objects.filter(actor_id=person.pk).order_by("pk")
    return rows.values("at", "address", "origin", "entry_id").iterator()
