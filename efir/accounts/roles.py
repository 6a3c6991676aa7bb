"""Give roles to people, and keep the groups in the database in step with `ROLES`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from efir.accounts.access_changes import note_change
from efir.accounts.capabilities import ROLES, Capability, Role, people_who_can
from efir.accounts.models import Membership, Person
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context, Source


class LastAdmin(Exception):
    """Nobody else could give roles: the installation would be without an admin."""


def is_last_admin(person: Person) -> bool:
    """Whether this person alone may give roles."""
    admins = people_who_can(Capability.ASSIGN_ROLES)
    return admins.filter(pk=person.pk).exists() and not admins.exclude(pk=person.pk).exists()


def lock_admins() -> None:
    """Two admins who go at the same moment go one after the other; to the end of the transaction."""
    admins = people_who_can(Capability.ASSIGN_ROLES).order_by("pk")
    list(admins.select_for_update(no_key=True, of=("self",)))


def assign_role(person: Person, role: Role, context: Context | None = None) -> None:
    """Give the person this role instead of the one they have; without a context it is the system that does.

    Raises LastAdmin.
    """
    with transaction.atomic():
        group = Group.objects.get(name=role)
        before = Membership.objects.filter(person=person).values_list("group__name", flat=True).first()
        if before == role:
            return
        if before and Capability.ASSIGN_ROLES in ROLES[Role(before)]:
            lock_admins()
            if is_last_admin(person):
                raise LastAdmin
        change = {"role": (before, role.value)}
        record(
            Action.ROLE_ASSIGNED, context or Context(None, Source.SYSTEM), person_id=person.pk, changes=change
        )
        _, first = Membership.objects.update_or_create(person=person, defaults={"group": group})
        if first:
            note_change([person.pk])  # another one is noted as it is written


def role_lost(person: Person) -> dict[str, tuple[str, None]]:
    """What the audit log keeps of the role of somebody who goes: it is told nowhere else afterwards."""
    role = Membership.objects.filter(person=person).values_list("group__name", flat=True).first()
    return {"role": (role, None)} if role else {}


def sync_roles(**kwargs: Any) -> None:
    """Make the groups in the database say what `ROLES` says; run after every migration."""
    permissions = {
        permission.codename: permission
        for permission in Permission.objects.filter(
            content_type__app_label="accounts", codename__in=list(Capability)
        )
    }
    if len(permissions) < len(Capability):
        return  # the permissions themselves are not there yet: a later post_migrate calls again
    for role, capabilities in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set([permissions[capability] for capability in capabilities])
