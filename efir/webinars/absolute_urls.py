"""Absolute addresses, for whatever is read outside this site: calendars, link previews, search engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.utils import translation

from efir.webinars.models import Webinar
from efir.webinars.posters.formats import SHARE_IMAGE, poster_path

CALENDAR_FEED_PATH = "/webinars/calendar.ics"


def absolute_url(path: str) -> str:
    """The whole address of a path of this site."""
    return f"{settings.EFIR.public_url}{path}"


def room_url(webinar: Webinar) -> str:
    """The webinar's room."""
    return absolute_url(f"/account/webinar_room/{webinar.pk}/")


def share_image_url(webinar: Webinar) -> str:
    """The poster for link previews, or nothing."""
    return absolute_url(poster_path(webinar.poster_id, SHARE_IMAGE)) if webinar.poster_id else ""


def ends_at(webinar: Webinar) -> datetime | None:
    """When the webinar is planned to be over."""
    return webinar.starts_at + timedelta(minutes=webinar.length_min) if webinar.starts_at else None


def calendar_path(path: str) -> str:
    """A calendar's path; it names the language, since a calendar comes back for news as nobody in particular."""
    return f"{path}?{urlencode({'lang': translation.get_language()})}"


def calendar_subscription_url() -> str:
    """The feed, as calendar programs subscribe to it."""
    parts = urlsplit(absolute_url(calendar_path(CALENDAR_FEED_PATH)))
    return parts._replace(scheme="webcal").geturl()


def google_calendar_url(webinar: Webinar) -> str:
    """Google's page that adds the webinar to somebody's calendar."""
    start, end = webinar.starts_at, ends_at(webinar)
    if start is None or end is None:
        return ""
    query = {
        "action": "TEMPLATE",
        "text": webinar.title,
        "dates": "/".join(f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" for moment in (start, end)),
        "details": room_url(webinar),
        "location": room_url(webinar),
    }
    return f"https://calendar.google.com/calendar/render?{urlencode(query)}"
