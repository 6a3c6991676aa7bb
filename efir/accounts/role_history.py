"""Find out who was a lead at a moment in the past, from the role changes in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from efir.accounts.capabilities import ROLES, Capability, Role
from efir.accounts.models import Person
from efir.audit.actions import Action
from efir.audit.models import AuditEntry

# The actions that change a person's role; each entry has the role before it.
ROLE_CHANGES = (Action.ROLE_ASSIGNED, Action.ACCOUNT_CLOSED, Action.PERSON_ERASED)


def leads_at(moments: Mapping[int, datetime]) -> set[int]:
    """Return those of these people (id → moment) who were leads at their moment, even if the account is closed now."""
    if not moments:
        return set()
    now = Person.objects.filter(groups__permissions__codename=Capability.IS_LEAD, pk__in=moments)
    leads = set(now.values_list("pk", flat=True))
    changes = AuditEntry.objects.filter(
        action__in=ROLE_CHANGES, at__gt=min(moments.values()), person_id__in=moments
    )
    # Latest first: the earliest change after the moment decides last, and it has the role from before.
    for entry in changes.order_by("-at", "-pk"):
        person_id, change = entry.person_id or 0, entry.details.get("changes", {}).get("role")
        if change and entry.at > moments[person_id]:
            was_lead = change[0] is not None and Capability.IS_LEAD in ROLES[Role(change[0])]
            (leads.add if was_lead else leads.discard)(person_id)
    return leads
