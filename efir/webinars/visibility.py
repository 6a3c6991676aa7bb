"""Which webinar somebody sees: the schedule, the current one, and one by its number."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from efir import clock
from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Webinar

JUST_FINISHED = timedelta(hours=24)


def visible_webinar(person: Person | AnonymousUser, webinar_id: int) -> Webinar | None:
    """The webinar, or nothing: a draft is invisible without `edit_webinar`."""
    webinar: Webinar | None = Webinar.objects.filter(pk=webinar_id).first()
    if webinar and webinar.state is Status.DRAFT and not can(person, Capability.EDIT_WEBINAR):
        return None
    return webinar


def on_air() -> QuerySet[Webinar]:
    """What is live or paused now, the latest started first."""
    return Webinar.objects.filter(status__in=ON_AIR).order_by("-started_at")


def upcoming() -> QuerySet[Webinar]:
    """What is scheduled, the next first. A webinar that was never started drops out when it is long overdue."""
    overdue = clock.now() - timedelta(hours=settings.EFIR.forgotten_h)
    return Webinar.objects.filter(status=Status.SCHEDULED, starts_at__gt=overdue).order_by("starts_at", "pk")


def current_webinar(person: Person) -> Webinar | None:
    """The webinar of `/account/webinar_room/`.

    The one on air (of several: the one with a seat, else the latest started), else the next scheduled, else one
    finished in the last 24 hours.
    """
    seated = on_air().filter(seats__person=person).first()
    finished = Webinar.objects.filter(status=Status.FINISHED, finished_at__gt=clock.now() - JUST_FINISHED)
    return (
        seated
        or on_air().first()
        or upcoming().filter(withdrawn=False).first()
        or finished.order_by("-finished_at").first()
    )
