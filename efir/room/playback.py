"""Viewers whose picture does not come: their pages say so, and the speaker sees how many there are."""

from __future__ import annotations

from datetime import timedelta

from efir.accounts.models import Person
from efir.lib import clock
from efir.room.models import PlaybackTrouble
from efir.webinars.models import Webinar

# A page repeats it every 30 s (`no_picture.js`). A page that was closed says nothing more.
COUNTED = timedelta(seconds=75)


def record_playback(webinar: Webinar, person: Person, *, playing: bool) -> None:
    """Record what the person's page says of the picture. Outside the broadcast nothing is recorded."""
    if playing or not webinar.is_on_air:
        PlaybackTrouble.objects.filter(webinar=webinar, person=person).delete()
    else:
        PlaybackTrouble.objects.update_or_create(
            webinar=webinar, person=person, defaults={"told_at": clock.now()}
        )


def count_without_picture(webinar: Webinar) -> int:
    """Return how many people say now that the picture does not come."""
    if not webinar.is_on_air:
        return 0
    return PlaybackTrouble.objects.filter(webinar=webinar, told_at__gt=clock.now() - COUNTED).count()
