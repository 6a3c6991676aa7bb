"""Webinars as calendar entries (RFC 5545): the same UID for ever, a sequence that grows with each change."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event

from efir.webinars.absolute_urls import ends_at, room_url
from efir.webinars.models import Webinar

REFRESH_INTERVAL = timedelta(hours=1)
REMIND_BEFORE = timedelta(minutes=-15)


def render_calendar(webinars: Iterable[Webinar], *, name: str = "") -> bytes:
    """The file, as it is served. `name`: what a subscribed calendar is called and that it is read anew every hour."""
    calendar = Calendar()
    calendar.add("prodid", f"-//Efir//Webinars//{(get_language() or 'ru').upper()}")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    if name:
        calendar.add("x-wr-calname", name)
        calendar.add("refresh-interval", REFRESH_INTERVAL, {"VALUE": "DURATION"})
        calendar.add("x-published-ttl", "PT1H")
    for webinar in webinars:
        calendar.add_component(_entry(webinar))
    return bytes(calendar.to_ical())


def _entry(webinar: Webinar) -> Event:
    """A published webinar, which has a time."""
    changed = webinar.changed_at or webinar.created_at
    entry = Event()
    entry.add("uid", event_uid(webinar))
    entry.add("sequence", webinar.version)
    entry.add("dtstamp", changed)
    entry.add("last-modified", changed)
    entry.add("created", webinar.created_at)
    entry.add("dtstart", webinar.starts_at)
    entry.add("dtend", ends_at(webinar))
    entry.add("summary", _clean(webinar.title))
    entry.add("description", _clean(_about(webinar)))
    entry.add("location", room_url(webinar))
    entry.add("url", room_url(webinar))
    entry.add("status", "CANCELLED" if webinar.withdrawn else "CONFIRMED")
    if not webinar.withdrawn:
        entry.add_component(_reminder())
    return entry


def event_uid(webinar: Webinar) -> str:
    """Of this webinar alone, wherever its installation moves: its number and the instant it was made."""
    return str(uuid5(NAMESPACE_URL, f"efir:webinar:{webinar.pk}:{webinar.created_at.isoformat()}"))


def _reminder() -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", _("Вебинар скоро начнётся"))
    alarm.add("trigger", REMIND_BEFORE)
    return alarm


def _about(webinar: Webinar) -> str:
    speaker = _("Спикер: %(name)s") % {"name": webinar.speaker_name} if webinar.speaker_name else ""
    room = _("Комната вебинара: %(address)s") % {"address": room_url(webinar)}
    return "\n\n".join(filter(None, [speaker, webinar.description.strip(), room]))


def _clean(text: str) -> str:
    """Without control characters: some calendars refuse the whole file for one."""
    return "".join(c for c in text.replace("\r\n", "\n") if c == "\n" or unicodedata.category(c) != "Cc")
