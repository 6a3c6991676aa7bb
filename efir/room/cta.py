"""Presses of the room's call-to-action: who pressed it, and when first. Not an event of the journal."""

from __future__ import annotations

from django.db.models import QuerySet

from efir.accounts.models import Person
from efir.lib import clock
from efir.room.models import CtaPress
from efir.webinars.models import Webinar


def record_press(webinar: Webinar, person: Person) -> None:
    """Record that the person pressed the call-to-action. Idempotent: the first time stays.

    Nothing is recorded while it is not shown: such a press comes from an old page, or from no page at all.
    """
    if not (webinar.is_on_air and webinar.cta_visible):
        return
    press = CtaPress(webinar=webinar, person=person, pressed_at=clock.now())
    CtaPress.objects.bulk_create([press], ignore_conflicts=True)


def presses_by_leads(webinar: Webinar) -> QuerySet[CtaPress]:
    """Return the presses by those who entered the webinar as leads."""
    return CtaPress.objects.filter(
        webinar=webinar, person__participations__webinar=webinar, person__participations__is_lead=True
    )
