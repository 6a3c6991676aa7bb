"""The personal data of this app: a person's seats, and the webinars they created or changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.dispatch import receiver

from efir.accounts.erasure import erasing
from efir.accounts.models import Person
from efir.accounts.personal_data import Row, section
from efir.webinars.lifecycle import Status
from efir.webinars.models import LedgerEntry, Seat, Webinar


@section("seats")
def _seats(person: Person) -> Iterable[Row]:
    for seat in Seat.objects.filter(person=person).select_related("webinar").order_by("pk"):
        yield {
            "webinar_id": seat.webinar_id,
            "webinar": seat.webinar.title,
            "booked_at": seat.booked_at,
            "remind_since": seat.remind_since,
            "device": seat.device,
        }


@section("webinars_you_created")
def _created(person: Person) -> Iterable[Row]:
    return Webinar.objects.filter(created_by=person).order_by("pk").values("id", "title", "created_at")


@section("webinars_you_changed")
def _changed(person: Person) -> Iterable[Row]:
    steps = LedgerEntry.objects.filter(actor=person).order_by("pk")
    return steps.values("webinar_id", "from_status", "to_status", "cta_visible", "source", "at")


@receiver(erasing, dispatch_uid="efir.webinars.erasing")
def delete_future_seats(person: Person, **kwargs: Any) -> None:
    """Delete an erased person's seats at webinars that have not begun; the others are kept as history."""
    Seat.objects.filter(person=person, webinar__status__in=[Status.DRAFT, Status.SCHEDULED]).delete()
