"""What each role may do. A role is a Django group; a capability is a Django permission.

Access is decided by capability alone; nothing asks for a role by name to let somebody in.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeAlias

from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from efir.accounts.access_changes import note_change
from efir.accounts.models import Membership, Person
from efir.audit.actions import Action
from efir.audit.log import record
from efir.hooks.actions import Context, Source

View: TypeAlias = Callable[..., HttpResponseBase]


class Capability(StrEnum):
    """One thing that somebody may do, for all webinars."""

    ENTER_ROOM = "enter_room"
    IS_LEAD = "is_lead"
    SEE_OWN_CANDIDATES = "see_own_candidates"
    EDIT_WEBINAR = "edit_webinar"
    EDIT_TECHNICAL = "edit_technical"
    MANAGE_STATUS = "manage_status"
    MANAGE_CTA = "manage_cta"
    PUBLISH_RECORDING = "publish_recording"
    SEE_DELIVERIES = "see_deliveries"
    RETRY_DELIVERY = "retry_delivery"
    DECIDE_VERDICT = "decide_verdict"
    ASSIGN_ROLES = "assign_roles"


class Role(StrEnum):
    """The groups, from the one that carries most to the one that carries least."""

    ADMIN = "admin"
    SPEAKER = "speaker"
    LEADER = "leader"
    PARTNER = "partner"
    CANDIDATE = "candidate"


_PARTNER = frozenset({Capability.ENTER_ROOM, Capability.SEE_OWN_CANDIDATES})
_SPEAKER = _PARTNER | {
    Capability.EDIT_WEBINAR,
    Capability.MANAGE_STATUS,
    Capability.MANAGE_CTA,
    Capability.PUBLISH_RECORDING,
    Capability.SEE_DELIVERIES,
}

ROLES: dict[Role, frozenset[Capability]] = {
    Role.ADMIN: frozenset(Capability) - {Capability.IS_LEAD},
    Role.SPEAKER: _SPEAKER,
    Role.LEADER: _PARTNER,
    Role.PARTNER: _PARTNER,
    Role.CANDIDATE: frozenset({Capability.ENTER_ROOM, Capability.IS_LEAD}),
}


def can(person: Person | AnonymousUser, capability: Capability) -> bool:
    """Whether this person, as the session knows them, has the capability."""
    return person.has_perm(f"accounts.{capability}")


def require(person: Person | AnonymousUser, capability: Capability) -> None:
    """Raise PermissionDenied unless the person has the capability."""
    if not can(person, capability):
        raise PermissionDenied(capability)


def capability_required(capability: Capability) -> Callable[[View], View]:
    """Guard a page: a guest is sent to log in and comes back; without the capability it is 403."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            require(request.user, capability)
            return view(request, *args, **kwargs)

        return guarded

    return guard


def people_who_can(capability: Capability) -> QuerySet[Person]:
    """The active people with a capability, as a queryset."""
    return Person.objects.filter(is_active=True, groups__permissions__codename=capability)


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
