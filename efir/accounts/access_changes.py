"""Notify all web processes when somebody's access changes: role, capabilities, password, sessions, closed account."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import Signal, receiver

from efir.accounts.models import AccessChange, Membership, Person
from efir.lib import clock

# A change gets its time before its transaction commits, so readers look back this much further.
OVERLAP = timedelta(minutes=1)
# The fields of a person that decide about access.
ACCESS_FIELDS = frozenset({"password", "is_active"})
INSERT_CHUNK = 500

# Sent after the commit, with `person_ids`, in the process that made the change.
access_changed = Signal()


def note_change(person_ids: Iterable[int]) -> None:
    """Note that the access of these people has changed: this process learns it after the commit, others by polling."""
    changed_ids, now = list(person_ids), clock.now()
    AccessChange.objects.bulk_create(
        [AccessChange(person_id=person_id, at=now) for person_id in changed_ids],
        batch_size=INSERT_CHUNK,
        update_conflicts=True,
        unique_fields=["person"],
        update_fields=["at"],
    )
    transaction.on_commit(lambda: access_changed.send(sender=AccessChange, person_ids=changed_ids))


def changed_since(moment: datetime) -> set[int]:
    """Return the ids of people whose access changed after `moment` (or less than OVERLAP before it)."""
    changes = AccessChange.objects.filter(at__gt=moment - OVERLAP)
    return set(changes.values_list("person_id", flat=True))


@receiver(post_save, sender=Person, dispatch_uid="efir.access.person")
def _person_saved(
    instance: Person, created: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    if not created and (update_fields is None or ACCESS_FIELDS & update_fields):
        note_change([instance.pk])


@receiver(post_delete, sender=Person, dispatch_uid="efir.access.deleted")
def _person_deleted(instance: Person, **kwargs: Any) -> None:
    # The product deletes nobody; only an operator can, by hand. A deleted person can have no row here, so the other
    # processes find out when their cache entries expire.
    person_id = instance.pk
    transaction.on_commit(lambda: access_changed.send(sender=AccessChange, person_ids=[person_id]))


@receiver([post_save, post_delete], sender=Membership, dispatch_uid="efir.access.membership")
def _role_changed(instance: Membership, created: bool = False, origin: Any = None, **kwargs: Any) -> None:
    # No process has cached a new person yet, and a deleted person can have no row here.
    if not created and not isinstance(origin, Person):
        note_change([instance.person_id])


@receiver(m2m_changed, sender=Group.permissions.through, dispatch_uid="efir.access.group")
def _capabilities_changed(instance: Group, action: str, reverse: bool, **kwargs: Any) -> None:
    if action.startswith("post_") and not reverse:
        note_change(Membership.objects.filter(group=instance).values_list("person_id", flat=True))
