"""Render the text of a message in templates, with links if its author may write them."""

from __future__ import annotations

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from efir.talk.models import Badge, Message
from efir.webinars.models import Webinar

register = template.Library()

# As in message.js. What stands after an address in a sentence is not part of it.
_LINK = re.compile(r"(https?://[^\s<>\"]+)")
_AFTER_LINK = re.compile(r"[.,;:!?)\]»”'…]+$")


@register.filter
def talk_text(message: Message) -> SafeString:
    """Return the text escaped; addresses are links if somebody who moderates wrote it."""
    if message.badge != Badge.SPEAKER:
        return format_html("{}", message.text)
    parts = enumerate(_LINK.split(message.text))
    return format_html_join("", "{}", ((_link(part) if index % 2 else part,) for index, part in parts))


@register.simple_tag
def minute_of(message: Message, webinar: Webinar) -> int | None:
    """Return the minute of the broadcast in which the message was written, from 0; None before the start."""
    if webinar.started_at is None or message.at < webinar.started_at:
        return None
    return int((message.at - webinar.started_at).total_seconds() // 60)


def _link(found: str) -> SafeString:
    address = _AFTER_LINK.sub("", found)
    rest = found[len(address) :]
    return format_html(
        '<a href="{}" target="_blank" rel="nofollow noopener ugc">{}</a>{}', address, address, rest
    )
