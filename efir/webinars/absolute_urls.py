"""Absolute URLs, for readers outside this site: calendars, link previews, search engines, messages."""

from __future__ import annotations

from datetime import UTC
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext

from efir.webinars.models import Webinar
from efir.webinars.posters.formats import SHARE_IMAGE, poster_path

CALENDAR_FEED_PATH = "/webinars/calendar.ics"


def absolute_url(path: str) -> str:
    """Return the URL of a path of this site."""
    return f"{settings.EFIR.public_url}{path}"


def room_url(webinar: Webinar) -> str:
    """Return the URL of the webinar's room."""
    return absolute_url(f"/account/webinar_room/{webinar.pk}/")


def room_line(webinar: Webinar, site_name: str) -> str:
    """Return the line of a calendar entry that says where the room is, and on whose site if it has a name."""
    words = {"address": room_url(webinar), "site": site_name}
    if site_name:
        return gettext("Комната вебинара на сайте «%(site)s»: %(address)s") % words
    return gettext("Комната вебинара: %(address)s") % words


def share_image_url(webinar: Webinar) -> str:
    """Return the URL of the poster for link previews; empty if the webinar has none."""
    return absolute_url(poster_path(webinar.poster_id, SHARE_IMAGE)) if webinar.poster_id else ""


def calendar_path(path: str) -> str:
    """Return the path with the current language, because a calendar program sends no cookies."""
    return f"{path}?{urlencode({'lang': translation.get_language()})}"


def calendar_subscription_url() -> str:
    """Return the feed's URL as calendar programs subscribe to it."""
    parts = urlsplit(absolute_url(calendar_path(CALENDAR_FEED_PATH)))
    return parts._replace(scheme="webcal").geturl()


def google_calendar_url(webinar: Webinar, site_name: str) -> str:
    """Return the URL at which Google adds the webinar to a calendar; empty if there is no start time."""
    if webinar.starts_at is None or webinar.ends_at is None:
        return ""
    moments = (webinar.starts_at, webinar.ends_at)
    query = {
        "action": "TEMPLATE",
        "text": webinar.title,
        "dates": "/".join(f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" for moment in moments),
        "details": room_line(webinar, site_name),
        "location": room_url(webinar),
    }
    return f"https://calendar.google.com/calendar/render?{urlencode(query)}"
