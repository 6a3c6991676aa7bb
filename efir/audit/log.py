"""Writing the audit log, in the transaction of what it tells of."""

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
    """Write that `context`'s person did this; `changes` are fields with their values before and after.

    No person's name, log-in or contact may be among the details: what is written stays for ever. Raises
    TransactionManagementError outside a transaction: a deed and its record are written together or not at all.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an audit entry is written in the transaction of its change")
    told = {name: [_plain(before), _plain(after)] for name, (before, after) in (changes or {}).items()}
    entry = AuditEntry.objects.create(
        at=clock.now(),
        actor_id=context.actor_id,
        source=context.source,
        action=action,
        webinar_id=webinar_id,
        person_id=person_id,
        details=({"changes": told} if told else {}) | details,
    )
    note_address(Origin.AUDIT, entry.pk, context)
    return entry


def note_address(origin: Origin, entry_id: int, context: Context) -> None:
    """Write from which address a deed came that the ledger or the journal tells of; nothing where there is none."""
    if context.address:
        AuditAddress.objects.create(
            origin=origin,
            entry_id=entry_id,
            actor_id=context.actor_id,
            address=context.address[:64],
            at=clock.now(),
        )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return clock.iso(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
