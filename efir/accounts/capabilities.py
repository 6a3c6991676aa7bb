"""Capabilities of each role. A role is a Django group; a capability is a Django permission.

Access is decided by capability alone, never by the name of a role.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, TextChoices
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from efir.web.shortcuts import View

if TYPE_CHECKING:
    from efir.accounts.models import Person  # which imports this module


class Capability(TextChoices):
    """The permissions of `Person`; each holds for all webinars."""

    ENTER_ROOM = "enter_room", "Enters the room"
    IS_LEAD = "is_lead", "Is classified and followed up"
    SEE_OWN_CANDIDATES = "see_own_candidates", "Sees the people they invited"
    EDIT_WEBINAR = "edit_webinar", "Edits a webinar's business fields"
    EDIT_TECHNICAL = "edit_technical", "Edits a webinar's technical fields"
    MANAGE_STATUS = "manage_status", "Starts and stops a webinar"
    MANAGE_CTA = "manage_cta", "Shows and hides the call-to-action"
    PUBLISH_RECORDING = "publish_recording", "Publishes a recording"
    BROADCAST = "broadcast", "Sends the picture of the own broadcast"
    SEE_DELIVERIES = "see_deliveries", "Sees messages and their state"
    RETRY_DELIVERY = "retry_delivery", "Sends a failed message again"
    DECIDE_VERDICT = "decide_verdict", "Decides a held verdict"
    WRITE_TALK = "write_talk", "Writes and asks in the room"
    MODERATE_TALK = "moderate_talk", "Moderates what is written in the room"
    EDIT_SITE = "edit_site", "Edits the site's own settings"
    ASSIGN_ROLES = "assign_roles", "Gives roles and resets passwords"


class Role(TextChoices):
    """The groups, from the most capabilities to the fewest; the labels are for display only."""

    ADMIN = "admin", _("администратор")
    SPEAKER = "speaker", _("спикер")
    LEADER = "leader", _("лидер")
    PARTNER = "partner", _("партнёр")
    CANDIDATE = "candidate", _("кандидат")


_PARTNER = frozenset({Capability.ENTER_ROOM, Capability.WRITE_TALK, Capability.SEE_OWN_CANDIDATES})
_SPEAKER = _PARTNER | {
    Capability.EDIT_WEBINAR,
    Capability.MANAGE_STATUS,
    Capability.MANAGE_CTA,
    Capability.PUBLISH_RECORDING,
    Capability.BROADCAST,
    Capability.SEE_DELIVERIES,
    Capability.MODERATE_TALK,
}

ROLES: dict[Role, frozenset[Capability]] = {
    Role.ADMIN: frozenset(Capability) - {Capability.IS_LEAD},
    Role.SPEAKER: _SPEAKER,
    Role.LEADER: _PARTNER,
    Role.PARTNER: _PARTNER,
    Role.CANDIDATE: frozenset({Capability.ENTER_ROOM, Capability.WRITE_TALK, Capability.IS_LEAD}),
}


def can(person: Person | AnonymousUser, capability: Capability) -> bool:
    """Return whether the person has the capability (as cached on `request.user` for the request)."""
    return person.has_perm(f"accounts.{capability}")


def require(person: Person | AnonymousUser, capability: Capability) -> None:
    """Raise PermissionDenied unless the person has the capability."""
    if not can(person, capability):
        raise PermissionDenied(capability)


def capability_required(capability: Capability) -> Callable[[View], View]:
    """Protect a view: guests are redirected to the login page and back, people without the capability get 403."""

    def decorator(view: View) -> View:
        @login_required
        @wraps(view)
        def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            require(request.user, capability)
            return view(request, *args, **kwargs)

        return protected

    return decorator


def people_who_can(capability: Capability) -> QuerySet[Person]:
    """Return a queryset of the active people with the capability."""
    return get_user_model().objects.filter(is_active=True, groups__permissions__codename=capability)
