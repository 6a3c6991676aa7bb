"""A webinar for whoever reads the schedule from outside: search engines, link previews, calendars."""

from __future__ import annotations

from typing import Any

from django import template

from efir.webinars import absolute_urls
from efir.webinars.labels import absolute_time
from efir.webinars.models import Webinar
from efir.webinars.posters.formats import SHARE_HEIGHT, SHARE_WIDTH

register = template.Library()


@register.inclusion_tag("webinars/_event.html")
def event_microdata(webinar: Webinar) -> dict[str, Any]:
    """What a schema.org `Event` has beside what people see, as microdata in absolute addresses.

    Which are needed: https://developers.google.com/search/docs/appearance/structured-data/event
    """
    ends_at = absolute_urls.ends_at(webinar)
    return {
        "webinar": webinar,
        "starts_at": webinar.starts_at.astimezone(webinar.zone).isoformat() if webinar.starts_at else "",
        "ends_at": ends_at.astimezone(webinar.zone).isoformat() if ends_at else "",
        "created_at": webinar.created_at.astimezone(webinar.zone).isoformat(timespec="seconds"),
        "page": absolute_urls.absolute_url(f"/webinars/#webinar-{webinar.pk}"),
        "sign_up": absolute_urls.absolute_url(f"/signup/?webinar={webinar.pk}"),
        "room": absolute_urls.room_url(webinar),
        "picture": absolute_urls.share_image_url(webinar),
        "home": absolute_urls.absolute_url("/webinars/"),
    }


@register.inclusion_tag("webinars/_preview.html")
def link_preview(webinar: Webinar | None) -> dict[str, Any]:
    """Open Graph: how a link to the schedule looks in a chat, with the webinar that is on air or next."""
    starts_at = webinar.starts_at if webinar else None
    return {
        "webinar": webinar,
        "when": absolute_time(starts_at, webinar.zone) if webinar and starts_at else "",
        "page": absolute_urls.absolute_url("/webinars/"),
        "picture": absolute_urls.share_image_url(webinar) if webinar else "",
        "width": SHARE_WIDTH,
        "height": SHARE_HEIGHT,
    }


@register.inclusion_tag("webinars/_to_calendar.html")
def to_calendar(webinar: Webinar) -> dict[str, str]:
    """Two ways to put one webinar into one's own calendar."""
    path = f"/webinars/{webinar.pk}/calendar.ics"
    return {"file": absolute_urls.calendar_path(path), "google": absolute_urls.google_calendar_url(webinar)}


@register.simple_tag
def calendar_subscription() -> str:
    """The address by which a calendar program subscribes to all webinars."""
    return absolute_urls.calendar_subscription_url()
