"""Count viewers without a picture: their pages report it, and the speaker sees the number."""

from __future__ import annotations

from datetime import timedelta

from efir.accounts.models import Person
from efir.lib import clock
from efir.room.models import PlaybackTrouble
from efir.webinars.models import Webinar

# A page repeats its report every 30 s (`no_picture.js`); a closed page does not.
COUNTED = timedelta(seconds=75)


def record_playback(webinar: Webinar, person: Person, *, playing: bool) -> None:
    """Record whether the person's page plays the picture. Nothing is recorded while the webinar is not on air."""
    if playing or not webinar.is_on_air:
        PlaybackTrouble.objects.filter(webinar=webinar, person=person).delete()
    else:
        PlaybackTrouble.objects.update_or_create(
            webinar=webinar, person=person, defaults={"told_at": clock.now()}
        )


def count_without_picture(webinar: Webinar) -> int:
    """Return how many people currently have no picture."""
    if not webinar.is_on_air:
        return 0
    return PlaybackTrouble.objects.filter(webinar=webinar, told_at__gt=clock.now() - COUNTED).count()
