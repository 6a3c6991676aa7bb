"""Give roles to people, and keep the groups in the database in step with `ROLES`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db import transaction

from efir.accounts.access_changes import note_change
from efir.accounts.capabilities import ROLES, Capability, Role, can, people_who_can
from efir.accounts.models import Membership, Person
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context, Source


class LastAdmin(Exception):
    """Raised if the last admin would be removed: nobody else can assign roles."""


def is_last_admin(person: Person) -> bool:
    """Return whether this person is the only one who can assign roles."""
    admins = people_who_can(Capability.ASSIGN_ROLES)
    return admins.filter(pk=person.pk).exists() and not admins.exclude(pk=person.pk).exists()


def lock_admins() -> None:
    """Lock all admins until the transaction ends, so that two cannot remove each other."""
    admins = people_who_can(Capability.ASSIGN_ROLES).order_by("pk")
    list(admins.select_for_update(no_key=True, of=("self",)))


def lock_actor(context: Context, capability: Capability) -> bool:
    """Lock the actor until the transaction ends, and return whether they have the capability now.

    A request may have passed its check before a demotion that is committed while the request is in progress. After this
    call, a demotion waits until the transaction ends. The system and the command line have every capability.
    """
    if context.actor_id is None:
        return True  # Context refuses an action from the web without a person
    actors = Person.objects.select_for_update(no_key=True).filter(pk=context.actor_id, is_active=True)
    actor = actors.first()
    return actor is not None and can(actor, capability)


def assign_role(person: Person, role: Role, context: Context | None = None) -> None:
    """Replace the person's role. Without `context` the system is the actor.

    Raises LastAdmin if nobody else can assign roles, and PermissionDenied if the actor cannot (any more).
    """
    context = context or Context(None, Source.SYSTEM)
    with transaction.atomic():
        lock_admins()
        if not lock_actor(context, Capability.ASSIGN_ROLES):
            raise PermissionDenied(Capability.ASSIGN_ROLES)
        Person.objects.select_for_update(no_key=True).get(
            pk=person.pk
        )  # what they have in progress comes first
        group = Group.objects.get(name=role)
        before = Membership.objects.filter(person=person).values_list("group__name", flat=True).first()
        if before == role:
            return
        if is_last_admin(person):
            raise LastAdmin
        record(Action.ROLE_ASSIGNED, context, person_id=person.pk, changes={"role": (before, role.value)})
        _, first = Membership.objects.update_or_create(person=person, defaults={"group": group})
        if first:
            note_change([person.pk])  # the receiver of `post_save` ignores new rows


def role_lost(person: Person) -> dict[str, tuple[str, None]]:
    """Return the change for the audit log when somebody loses their role by closing or erasing the account."""
    role = Membership.objects.filter(person=person).values_list("group__name", flat=True).first()
    return {"role": (role, None)} if role else {}


def sync_roles(**kwargs: Any) -> None:
    """Update the groups in the database to `ROLES`; runs after every migration."""
    permissions = {
        permission.codename: permission
        for permission in Permission.objects.filter(
            content_type__app_label="accounts", codename__in=list(Capability)
        )
    }
    if len(permissions) < len(Capability):
        return  # Django has not created the permissions yet: a later post_migrate calls again
    for role, capabilities in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set([permissions[capability] for capability in capabilities])
