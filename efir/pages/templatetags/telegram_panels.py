"""Telegram's parts of other apps' pages: one's own link, who can be reached, and the board of messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.http import QueryDict
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from efir.accounts.models import Person
from efir.lib import clock
from efir.telegram import labels
from efir.telegram.health import bot_health
from efir.telegram.link_tokens import chat_of
from efir.telegram.message_list import read_board
from efir.telegram.reachability import inviters, reachable_by_person, seat_holders
from efir.webinars.labels import zone_label
from efir.webinars.models import Webinar

register = template.Library()

register.filter("why_not_sent", labels.why_not_sent)
register.filter("trouble_words", labels.trouble_words)
register.filter("whose_doing", labels.whose_doing)


@register.simple_tag
def short_time(at: datetime, zone: ZoneInfo) -> SafeString:
    """«23.11, 19:05» by the clock of `zone`, which the table names once."""
    local = at.astimezone(zone)
    return format_html('<time datetime="{}">{}</time>', clock.iso(at), f"{local:%d.%m, %H:%M}")


@register.inclusion_tag("telegram/link_panel.html", takes_context=True)
def telegram_link_panel(context: Context, needed: bool | None = None) -> dict[str, Any]:
    """Whether the person who looks has linked Telegram, and the buttons for it.

    A page that puts it first where it is `needed`, and elsewhere where it is not, asks for both.
    """
    chat = chat_of(context["request"].user)
    is_needed = bool(settings.EFIR.telegram_token) and not (chat and chat.reachable)
    return {
        "perms": context.get("perms"),
        "shown": needed is None or needed == is_needed,
        "needed": is_needed,
        "chat": chat,
        "why": labels.unreachable_words(chat.unreachable_reason) if chat else "",
        "configured": bool(settings.EFIR.telegram_token),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("telegram/reachability.html")
def telegram_reachability(webinar: Webinar) -> dict[str, Any]:
    """Before the evening: how many seat holders and inviters a message can reach, and whether the bot is well."""
    return {"holders": seat_holders(webinar), "inviters": inviters(webinar), "health": bot_health()}


@register.simple_tag
def telegram_reach(people: Iterable[Person]) -> dict[int, bool]:
    """Whom of these people the bot can write to, for `telegram_reach_badge`; asked once for a whole list."""
    return reachable_by_person(people)


@register.inclusion_tag("telegram/_reach_badge.html")
def telegram_reach_badge(reach: Mapping[int, bool], person: Person) -> dict[str, Any]:
    """Whether messages reach this person."""
    return {"linked": person.pk in reach, "reachable": reach.get(person.pk, False)}


@register.inclusion_tag("telegram/messages.html", takes_context=True)
def telegram_messages(context: Context, webinar: Webinar) -> dict[str, Any]:
    """The webinar's messages: to whom, about whom, what, and where each stands."""
    query = context["request"].GET if "request" in context else QueryDict()
    return {
        "board": read_board(webinar, query),
        "zone_label": zone_label(clock.now(), webinar.zone),
        "perms": context.get("perms"),
        "csrf_token": context.get("csrf_token"),
    }
