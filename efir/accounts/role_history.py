"""Who was a lead at a moment that is over: what the audit log tells of roles that have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from efir.accounts.capabilities import ROLES, Capability, Role
from efir.accounts.models import Person
from efir.audit.actions import Action
from efir.audit.models import AuditEntry

# After these a person's role is not what it was; each entry tells the role before.
CHANGES_OF_ROLE = (Action.ROLE_ASSIGNED, Action.ACCOUNT_CLOSED, Action.PERSON_ERASED)


def leads_at(moments: Mapping[int, datetime]) -> set[int]:
    """Of these people, each with a moment, those who were leads then, whether or not their account is open now."""
    if not moments:
        return set()
    now = Person.objects.filter(groups__permissions__codename=Capability.IS_LEAD, pk__in=moments)
    leads = set(now.values_list("pk", flat=True))
    changes = AuditEntry.objects.filter(
        action__in=CHANGES_OF_ROLE, at__gt=min(moments.values()), person_id__in=moments
    )
    # The latest first, so that the earliest one after the moment has the last word: it tells the role before it.
    for entry in changes.order_by("-at", "-pk"):
        person_id, told = entry.person_id or 0, entry.details.get("changes", {}).get("role")
        if told and entry.at > moments[person_id]:
            was_lead = told[0] is not None and Capability.IS_LEAD in ROLES[Role(told[0])]
            (leads.add if was_lead else leads.discard)(person_id)
    return leads
