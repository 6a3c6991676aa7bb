"""Who signs up through a webinar's call-to-action gets a seat there, while seats are open."""

from __future__ import annotations

from typing import Any

import structlog
from django.dispatch import receiver

from efir.accounts.models import Person
from efir.accounts.people import came_for_webinar
from efir.hooks.actions import Refused
from efir.webinars.core import book_seat

log = structlog.get_logger(__name__)


@receiver(came_for_webinar, dispatch_uid="efir.seat_at_sign_up")
def seat_the_new(person: Person, webinar_id: int, **kwargs: Any) -> None:
    """Book the seat that brought the person; a closed or unknown webinar costs nobody their account."""
    try:
        book_seat(webinar_id, person)
    except Refused as refused:
        log.info(
            "seat_at_sign_up_refused", webinar_id=webinar_id, person_id=person.pk, code=refused.code.value
        )
