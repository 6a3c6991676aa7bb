"""Opening the broadcast: the player is handed out, and the first time is kept. Only then can a person be watching."""

from __future__ import annotations

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.room.models import Opening
from efir.webinars.models import Webinar
from efir.webinars.selectors import visible_webinar


def open_broadcast(webinar_id: int, person: Person) -> Webinar:
    """Record that the person opens the broadcast, and return the webinar. Idempotent: the first time stays.

    Raises ActionRefused if the person may not enter the room, or if the webinar is not on air.
    """
    if not can(person, Capability.ENTER_ROOM):
        raise ActionRefused(Code.FORBIDDEN, Capability.ENTER_ROOM)
    webinar = visible_webinar(webinar_id, drafts=can(person, Capability.EDIT_WEBINAR))
    if webinar is None:
        raise ActionRefused(Code.NOT_FOUND)
    if not webinar.is_on_air:
        raise ActionRefused(Code.WATCH_INVALID_STATE, f"there is no broadcast while {webinar.status}")
    Opening.objects.get_or_create(webinar=webinar, person=person, defaults={"opened_at": clock.now()})
    return webinar
