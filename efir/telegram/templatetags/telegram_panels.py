"""Telegram's parts of other apps' pages: `telegram_link_panel` and `telegram_messages`."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.template.context import Context
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.telegram.links import chat_of
from efir.telegram.models import MessageState, OutboxMessage
from efir.webinars.models import Webinar

register = template.Library()

UNREACHABLE: dict[str, Promise] = {
    "blocked": _("бот заблокирован в Telegram"),
    "deactivated": _("аккаунт Telegram удалён"),
    "kicked": _("бота исключили из чата"),
    "not_member": _("бота нет в чате"),
    "never_started": _("разговор с ботом не начат"),
    "not_found": _("чат не найден"),
    "forbidden": _("Telegram не разрешает писать в этот чат"),
}


@register.inclusion_tag("telegram/link_panel.html", takes_context=True)
def telegram_link_panel(context: Context) -> dict[str, Any]:
    """Whether the person who looks has linked Telegram, and the button for it."""
    chat = chat_of(context["request"].user)
    return {
        "chat": chat,
        "why": UNREACHABLE.get(chat.unreachable_reason, "") if chat else "",
        "configured": bool(settings.EFIR.telegram_token),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("telegram/messages.html")
def telegram_messages(webinar: Webinar) -> dict[str, Any]:
    """The webinar's messages: to whom, about whom, what, and where each stands."""
    messages = OutboxMessage.objects.filter(webinar=webinar).select_related("lead", "person")
    return {"messages": messages.order_by("lead__name", "lead_id", "priority")}


@register.filter
def why_not_sent(message: OutboxMessage) -> Promise | str:
    """What stands in the message's way: in Russian where it is one of ours, else in Telegram's words."""
    if message.state == MessageState.SENT:
        return ""
    if message.state == MessageState.UNCERTAIN:
        return _("Telegram дважды не ответил: возможно, сообщение дошло")
    if message.state == MessageState.QUEUED and message.uncertain_count:
        return _("исход прошлой попытки неизвестен, отправим ещё раз")
    return message.error
