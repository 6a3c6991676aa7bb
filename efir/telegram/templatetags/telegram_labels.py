"""Labels of messages for templates."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from efir.lib import clock
from efir.telegram import labels

register = template.Library()

register.filter("why_not_sent", labels.why_not_sent)
register.filter("handled_by", labels.handled_by)


@register.simple_tag
def short_time(at: datetime, zone: ZoneInfo) -> SafeString:
    """Format as «23.11, 19:05» by the clock of `zone`, which the table names once."""
    local = at.astimezone(zone)
    return format_html('<time datetime="{}">{}</time>', clock.iso(at), f"{local:%d.%m, %H:%M}")


@register.filter
def reach_badge(reachable: bool | None) -> SafeString:
    """Say whether the bot can write to a person; None if they have not linked Telegram."""
    if reachable is None:
        look, text = "warn", gettext("Telegram не привязан")
    elif reachable:
        look, text = "good", gettext("Telegram привязан")
    else:
        look, text = "bad", gettext("нет связи в Telegram")
    return format_html('<span class="badge {}">{}</span>', look, text)
