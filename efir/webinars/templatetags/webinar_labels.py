"""Times and durations for templates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from efir.lib import clock
from efir.webinars.labels import relative_time
from efir.webinars.models import Webinar

register = template.Library()


@register.simple_tag
def when(webinar: Webinar) -> SafeString | str:
    """Format the start in the webinar's zone; the page's script adds the viewer's own time."""
    return moment(webinar.starts_at, webinar.zone) if webinar.starts_at else ""


@register.simple_tag
def moment(at: datetime | None, zone: ZoneInfo) -> SafeString | str:
    """Format a moment in words, by the calendar of `zone`."""
    if at is None:
        return ""
    offset = at.astimezone(zone).utcoffset()
    return format_html(
        '<time datetime="{}" data-offset="{}">{}</time>',
        clock.iso(at),
        int(offset.total_seconds() // 60) if offset is not None else 0,
        relative_time(at, zone),
    )


@register.filter
def minutes(count: int) -> str:
    """Format as «60 минут», with the right plural."""
    return ngettext("%(count)s минута", "%(count)s минуты", count) % {"count": count}


@register.filter
def has_begun(at: datetime | None) -> bool:
    """Return whether the moment has passed by the server's clock."""
    return at is not None and at <= clock.now()


@register.filter
def is_delayed(at: datetime | None) -> bool:
    """Return whether the start is so overdue that «soon» is no longer true; `countdown.js` uses the same 30 minutes."""
    return at is not None and clock.now() - at > timedelta(minutes=30)


@register.filter
def is_recent(at: datetime | None) -> bool:
    """Return whether the moment is less than an hour ago."""
    return at is not None and clock.now() - at < timedelta(hours=1)


@register.filter
def iso(at: datetime | None) -> str:
    """Format a moment for machines. HTML takes no more than three digits of a second."""
    if at is None:
        return ""
    timespec = "milliseconds" if at.microsecond else "auto"
    return at.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
