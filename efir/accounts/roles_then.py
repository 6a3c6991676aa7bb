"""Who was a lead at a moment that is over: what the audit log tells of roles that have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from efir.accounts.capabilities import ROLES, Capability, Role, people_who_can
from efir.audit.actions import Action
from efir.audit.models import AuditEntry


def leads_at(moments: Mapping[int, datetime]) -> set[int]:
    """Of these people, each with a moment, those who were leads then."""
    now = people_who_can(Capability.IS_LEAD).filter(pk__in=moments)
    leads = set(now.values_list("pk", flat=True))
    if not moments:
        return leads
    changes = AuditEntry.objects.filter(
        action=Action.ROLE_ASSIGNED, at__gt=min(moments.values()), person_id__in=moments
    )
    # The latest first, so that the earliest one after the moment has the last word: it tells the role before it.
    for entry in changes.order_by("-at", "-pk"):
        person_id = entry.person_id or 0
        if entry.at > moments[person_id]:
            before = entry.details["changes"]["role"][0]
            was_lead = before is not None and Capability.IS_LEAD in ROLES[Role(before)]
            (leads.add if was_lead else leads.discard)(person_id)
    return leads
