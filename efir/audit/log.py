"""Write the audit log, in the transaction of the change that it records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.transaction import TransactionManagementError

from efir.audit.actions import Action
from efir.audit.models import AuditAddress, AuditEntry, Origin
from efir.hooks.actions import Context
from efir.lib import clock

Change = tuple[object, object]


def record(
    action: Action,
    context: Context,
    *,
    webinar_id: int | None = None,
    person_id: int | None = None,
    changes: Mapping[str, Change] | None = None,
    **details: Any,
) -> AuditEntry:
    """Record that the person of `context` did this; `changes` maps fields to their values before and after.

    Never pass anybody's name, login or contact: the log is kept forever. Raises TransactionManagementError outside a
    transaction, because a change and its record are written together or not at all.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an audit entry is written in the transaction of its change")
    pairs = {name: [_to_json(before), _to_json(after)] for name, (before, after) in (changes or {}).items()}
    entry = AuditEntry.objects.create(
        at=clock.now(),
        actor_id=context.actor_id,
        source=context.source,
        action=action,
        webinar_id=webinar_id,
        person_id=person_id,
        details=({"changes": pairs} if pairs else {}) | details,
    )
    note_address(Origin.AUDIT, entry.pk, context)
    return entry


def record_for_people(action: Action, context: Context, details: Mapping[int, Mapping[str, Any]]) -> None:
    """Record that the person of `context` did this to each of these people (id → details), in one statement.

    As for `record`: in the transaction of the change, and without anything that names a person.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an audit entry is written in the transaction of its change")
    now = clock.now()
    AuditEntry.objects.bulk_create(
        AuditEntry(
            at=now,
            actor_id=context.actor_id,
            source=context.source,
            action=action,
            person_id=person_id,
            details=dict(each),
        )
        for person_id, each in details.items()
    )


def note_address(origin: Origin, entry_id: int, context: Context) -> None:
    """Record the IP address of an action that `origin` records, if the context has one."""
    if context.address:
        AuditAddress.objects.create(
            origin=origin,
            entry_id=entry_id,
            actor_id=context.actor_id,
            address=context.address[:64],
            at=clock.now(),
        )


def _to_json(value: object) -> object:
    if isinstance(value, datetime):
        return clock.iso(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
