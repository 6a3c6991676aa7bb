"""Who signs up through a webinar's call-to-action gets a seat there, while seats are open."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest

from efir.accounts.models import Person
from efir.accounts.services import came_for_webinar, signed_up
from efir.hooks.actions import ActionRefused
from efir.webinars.core import book_seat
from efir.webinars.labels import booked_words
from efir.webinars.models import Seat, Webinar

log = structlog.get_logger(__name__)


@receiver(came_for_webinar, dispatch_uid="efir.seat_at_sign_up")
def seat_the_new(person: Person, webinar_id: int, **kwargs: Any) -> None:
    """Book the seat that brought the person; a closed or unknown webinar costs nobody their account."""
    try:
        book_seat(webinar_id, person)
    except ActionRefused as refused:
        log.info(
            "seat_at_sign_up_refused", webinar_id=webinar_id, person_id=person.pk, code=refused.code.value
        )


@receiver(signed_up, dispatch_uid="efir.seat_is_said")
def say_seat(request: HttpRequest, person: Person, webinar_id: int | None, **kwargs: Any) -> str | None:
    """Tell the new person about their seat; where the webinar is on air, they go straight to its room."""
    seats = Seat.objects.select_related("webinar").filter(person=person)
    seat = seats.filter(webinar_id=webinar_id).first() if webinar_id is not None else None
    if seat is None:
        return None
    webinar: Webinar = seat.webinar
    messages.success(request, booked_words(webinar))
    return f"/account/webinar_room/{webinar.pk}/" if webinar.is_on_air else None
