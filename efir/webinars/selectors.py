"""Queries of webinars: what a person may see, and the order of the schedule."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Case, Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from efir.accounts.capabilities import Capability, people_who_can
from efir.lib import clock
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Seat, Webinar

JUST_FINISHED = timedelta(hours=24)
IN_CALENDAR_AFTER = timedelta(days=90)
# A webinar takes half a kilobyte of a feed that calendars read every hour. The limit is two a day for 90 days, in each
# direction.
IN_CALENDAR_PAST = IN_CALENDAR_AHEAD = 180


def visible_webinar(webinar_id: int, *, drafts: bool) -> Webinar | None:
    """Return the webinar if it is visible; `drafts` says whether the viewer has `edit_webinar` and sees drafts."""
    webinar: Webinar | None = Webinar.objects.filter(pk=webinar_id).first()
    return webinar if webinar and is_visible(webinar, drafts=drafts) else None


def is_visible(webinar: Webinar, *, drafts: bool) -> bool:
    """Return whether the webinar is visible; `drafts` says whether the viewer sees drafts."""
    return drafts or webinar.state is not Status.DRAFT


def open_webinar(webinar_id: int) -> Webinar | None:
    """Return the webinar while a seat can be booked there."""
    opened = Webinar.objects.filter(status__in=(Status.SCHEDULED, *ON_AIR), withdrawn=False)
    return opened.filter(pk=webinar_id).first()


def on_air() -> QuerySet[Webinar]:
    """Return the webinars that are live or paused, the latest started first."""
    return Webinar.objects.filter(status__in=ON_AIR).order_by("-started_at", "-pk")


def upcoming() -> QuerySet[Webinar]:
    """Return the scheduled webinars, the next first; one that is long overdue and never started drops out."""
    overdue = clock.now() - timedelta(hours=settings.EFIR.forgotten_h)
    return Webinar.objects.filter(status=Status.SCHEDULED, starts_at__gt=overdue).order_by("starts_at", "pk")


def for_speaker() -> QuerySet[Webinar]:
    """Return every webinar: on air, then ahead with the nearest start first, then over.

    `part` is 0, 1 and 2 for these three; `booked` is the number of candidates with a seat.
    """
    overdue = clock.now() - timedelta(hours=settings.EFIR.forgotten_h)
    ahead = Q(status__in=(Status.DRAFT, Status.SCHEDULED)) & (Q(starts_at=None) | Q(starts_at__gt=overdue))
    part = Case(When(status__in=ON_AIR, then=0), When(ahead, then=1), default=2, output_field=IntegerField())
    nearest = Case(When(ahead, then=F("starts_at")))
    return Webinar.objects.annotate(part=part, booked=_booked()).order_by(
        "part", nearest.asc(nulls_last=True), F("starts_at").desc(nulls_last=True), "-pk"
    )


def _booked() -> Coalesce:
    # Whether a seat holder is a candidate is written at the stop; before it, their role decides.
    now = Q(held_by_lead=None, person__in=people_who_can(Capability.IS_LEAD))
    seats = Seat.objects.filter(Q(held_by_lead=True) | now, webinar=OuterRef("pk"))
    counted = seats.order_by().values("webinar").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)


def for_calendar() -> list[Webinar]:
    """Return the published webinars of a subscribed calendar, withdrawn ones included.

    Finished ones stay for 90 days: a calendar deletes an event that its feed no longer has, and people look at past
    events. If there are very many, only the nearest are included.
    """
    now = clock.now()
    published = Webinar.objects.exclude(status=Status.DRAFT)
    past = published.filter(starts_at__gt=now - IN_CALENDAR_AFTER, starts_at__lte=now)
    latest = past.order_by("-starts_at", "-pk")[:IN_CALENDAR_PAST]
    ahead = published.filter(starts_at__gt=now).order_by("starts_at", "pk")[:IN_CALENDAR_AHEAD]
    return [*reversed(latest), *ahead]


def just_finished() -> QuerySet[Webinar]:
    """Return the webinars that finished in the last 24 hours, the latest first."""
    finished = Webinar.objects.filter(status=Status.FINISHED, finished_at__gt=clock.now() - JUST_FINISHED)
    return finished.order_by("-finished_at")
