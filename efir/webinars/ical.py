"""Webinars as calendar events (RFC 5545): a UID that never changes, a sequence that grows with each change."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

from django.utils.translation import get_language
from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event

from efir.site_settings.current import current
from efir.webinars.absolute_urls import room_line, room_url
from efir.webinars.models import Webinar

REFRESH_INTERVAL = timedelta(hours=1)
REMINDER_TRIGGER = timedelta(minutes=-15)


def render_calendar(webinars: Iterable[Webinar], *, name: str = "") -> bytes:
    """Return an iCalendar file of published webinars.

    `name` is for a subscription: what the calendar is called. It also makes programs refresh it every hour.
    """
    calendar = Calendar()
    calendar.add("prodid", f"-//Efir//Webinars//{(get_language() or 'ru').upper()}")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    if name:
        calendar.add("x-wr-calname", name)
        calendar.add("refresh-interval", REFRESH_INTERVAL, {"VALUE": "DURATION"})
        calendar.add("x-published-ttl", "PT1H")
    site_name = current().name
    for webinar in webinars:
        calendar.add_component(_event(webinar, site_name))
    return bytes(calendar.to_ical())


def _event(webinar: Webinar, site_name: str) -> Event:
    changed = webinar.changed_at or webinar.created_at
    speaker = _("Спикер: %(name)s") % {"name": webinar.speaker_name} if webinar.speaker_name else ""
    description = "\n\n".join(
        filter(None, [speaker, webinar.description.strip(), room_line(webinar, site_name)])
    )
    event = Event()
    event.add("uid", event_uid(webinar))
    event.add("sequence", webinar.version)
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    event.add("created", webinar.created_at)
    event.add("dtstart", webinar.starts_at)
    event.add("dtend", webinar.ends_at)
    event.add("summary", _without_control_characters(webinar.title))
    event.add("description", _without_control_characters(description))
    event.add("location", room_url(webinar))
    event.add("url", room_url(webinar))
    event.add("status", "CANCELLED" if webinar.withdrawn else "CONFIRMED")
    if not webinar.withdrawn:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", _("Вебинар скоро начнётся"))
        alarm.add("trigger", REMINDER_TRIGGER)
        event.add_component(alarm)
    return event


def event_uid(webinar: Webinar) -> str:
    """Return the UID, which stays when the installation moves to another domain."""
    return str(uuid5(NAMESPACE_URL, f"efir:webinar:{webinar.pk}:{webinar.created_at.isoformat()}"))


def _without_control_characters(text: str) -> str:
    # Some calendars refuse the whole file for one control character.
    return "".join(c for c in text.replace("\r\n", "\n") if c == "\n" or unicodedata.category(c) != "Cc")
