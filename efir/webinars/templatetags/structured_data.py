"""Describe a webinar for search engines, link previews and calendars."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

from efir.site_settings.current import current
from efir.webinars import absolute_urls
from efir.webinars.labels import absolute_time
from efir.webinars.models import Webinar
from efir.webinars.posters.formats import SHARE_HEIGHT, SHARE_WIDTH

register = template.Library()


@register.inclusion_tag("webinars/_event.html")
def event_microdata(webinar: Webinar) -> dict[str, Any]:
    """Render the parts of a schema.org `Event` that the card does not show, as microdata with absolute URLs.

    Required properties: https://developers.google.com/search/docs/appearance/structured-data/event
    """
    return {
        "webinar": webinar,
        "starts_at": webinar.starts_at.astimezone(webinar.zone).isoformat() if webinar.starts_at else "",
        "ends_at": webinar.ends_at.astimezone(webinar.zone).isoformat() if webinar.ends_at else "",
        "created_at": webinar.created_at.astimezone(webinar.zone).isoformat(timespec="seconds"),
        "page": absolute_urls.absolute_url(f"/webinars/#webinar-{webinar.pk}"),
        "sign_up": absolute_urls.absolute_url(f"/signup/?webinar={webinar.pk}"),
        "room": absolute_urls.room_url(webinar),
        "picture": absolute_urls.share_image_url(webinar),
        "home": absolute_urls.absolute_url("/webinars/"),
    }


@register.inclusion_tag("webinars/_preview.html")
def link_preview(webinar: Webinar | None, path: str = "") -> dict[str, Any]:
    """Render Open Graph tags: a link shows the webinar that it is about, else the next one, or the site alone.

    path: the page's canonical path; empty if its query must stay, as the code of an invitation must.
    """
    starts_at, site = webinar.starts_at if webinar else None, current()
    return {
        "site_settings": site,
        "webinar": webinar,
        "when": absolute_time(starts_at, webinar.zone) if webinar and starts_at else "",
        "page": absolute_urls.absolute_url(path) if path else "",
        "picture": absolute_urls.share_image_url(webinar) if webinar else "",
        "logo": absolute_urls.absolute_url(site.logo_paths["touch"]) if site.logo else "",
        "width": SHARE_WIDTH,
        "height": SHARE_HEIGHT,
    }


@register.inclusion_tag("webinars/_to_calendar.html", takes_context=True)
def to_calendar(context: Context, webinar: Webinar) -> dict[str, str]:
    """Render two links that put one webinar into a calendar."""
    path, site_name = f"/webinars/{webinar.pk}/calendar.ics", context["site_settings"].name
    return {
        "file": absolute_urls.calendar_path(path),
        "google": absolute_urls.google_calendar_url(webinar, site_name),
    }


@register.simple_tag
def calendar_subscription() -> str:
    """Return the URL by which a calendar program subscribes to all webinars."""
    return absolute_urls.calendar_subscription_url()
