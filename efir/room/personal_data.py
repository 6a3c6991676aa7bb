"""Personal data of this app: when a person was in which room, opened its broadcast, and pressed its button."""

from __future__ import annotations

from collections.abc import Iterable

from efir.accounts.models import Person
from efir.accounts.personal_data import Row, section
from efir.room.models import CtaPress, Opening, PlaybackTrouble, PresenceInterval, WatchingInterval


@section("presence")
def _presence(person: Person) -> Iterable[Row]:
    rows = PresenceInterval.objects.filter(person=person).order_by("began_at", "pk")
    return rows.values("webinar_id", "began_at", "ended_at").iterator()


@section("openings")
def _openings(person: Person) -> Iterable[Row]:
    rows = Opening.objects.filter(person=person).order_by("pk")
    return rows.values("webinar_id", "opened_at").iterator()


@section("watching")
def _watching(person: Person) -> Iterable[Row]:
    rows = WatchingInterval.objects.filter(person=person).order_by("began_at", "pk")
    return rows.values("webinar_id", "began_at", "ended_at").iterator()


@section("cta_presses")
def _cta_presses(person: Person) -> Iterable[Row]:
    rows = CtaPress.objects.filter(person=person).order_by("pk")
    return rows.values("webinar_id", "pressed_at").iterator()


@section("playback_troubles")
def _playback_troubles(person: Person) -> Iterable[Row]:
    rows = PlaybackTrouble.objects.filter(person=person).order_by("pk")
    return rows.values("webinar_id", "told_at").iterator()
