"""News about people's access: what they may, and which sessions count for them."""

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

# A change is stamped before its transaction commits: whoever looks for news looks this far back.
OVERLAP = timedelta(minutes=1)
# What decides about access: a change of anything else about a person is no news.
DECISIVE = frozenset({"password", "is_active"})
CHUNK = 500

# Sent after the commit, with `person_ids`, in the process that made the change.
access_changed = Signal()


def note_change(person_ids: Iterable[int]) -> None:
    """Say that the access of these people has changed: to every process, and to this one at once."""
    noted, now = list(person_ids), clock.now()
    AccessChange.objects.bulk_create(
        [AccessChange(person_id=person_id, at=now) for person_id in noted],
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["person"],
        update_fields=["at"],
    )
    transaction.on_commit(lambda: access_changed.send(sender=AccessChange, person_ids=noted))


def changed_since(moment: datetime) -> set[int]:
    """The people whose access has changed since, and a little earlier."""
    news = AccessChange.objects.filter(at__gt=moment - OVERLAP)
    return set(news.values_list("person_id", flat=True))


@receiver(post_save, sender=Person, dispatch_uid="efir.access.person")
def _person_saved(
    instance: Person, created: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    if not created and (update_fields is None or DECISIVE & update_fields):
        note_change([instance.pk])


@receiver(post_delete, sender=Person, dispatch_uid="efir.access.deleted")
def _person_deleted(instance: Person, **kwargs: Any) -> None:
    """By hand only: nothing can be noted for somebody who is not there; the other processes find out in their time."""
    person_id = instance.pk
    transaction.on_commit(lambda: access_changed.send(sender=AccessChange, person_ids=[person_id]))


@receiver([post_save, post_delete], sender=Membership, dispatch_uid="efir.access.membership")
def _role_changed(instance: Membership, created: bool = False, origin: Any = None, **kwargs: Any) -> None:
    # Somebody new is in no process's memory yet, and who is deleted with their role leaves nothing to note it for.
    if not created and not isinstance(origin, Person):
        note_change([instance.person_id])


@receiver(m2m_changed, sender=Group.permissions.through, dispatch_uid="efir.access.group")
def _capabilities_changed(instance: Group, action: str, reverse: bool, **kwargs: Any) -> None:
    if action.startswith("post_") and not reverse:
        note_change(Membership.objects.filter(group=instance).values_list("person_id", flat=True))
