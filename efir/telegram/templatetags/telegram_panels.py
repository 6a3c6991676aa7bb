"""Telegram's parts of other apps' pages: `telegram_link_panel` and `telegram_messages`."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.core.paginator import Paginator
from django.template.context import Context
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.telegram.links import chat_of
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox import summary
from efir.webinars.models import Webinar

ON_A_PAGE = 50

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


@register.inclusion_tag("telegram/messages.html", takes_context=True)
def telegram_messages(context: Context, webinar: Webinar) -> dict[str, Any]:
    """The webinar's messages, a page at a time: to whom, about whom, what, and where each stands."""
    messages = OutboxMessage.objects.filter(webinar=webinar).select_related("lead", "person")
    counts = summary(webinar.pk)
    paginator = Paginator(messages.order_by("lead__name", "lead_id", "priority"), ON_A_PAGE)
    paginator.count = sum(counts.values())  # known already
    asked = context["request"].GET.get("messages") if "request" in context else None
    return {"page": paginator.get_page(asked), "progress": _progress(counts)}


def _progress(counts: dict[str, int]) -> dict[str, int]:
    moving = sum(counts.get(state, 0) for state in (MessageState.QUEUED, MessageState.SENDING))
    waits = (MessageState.WAITING_LINK, MessageState.WAITING_RECORDING)
    return {
        "total": sum(counts.values()),
        "sent": counts.get(MessageState.SENT, 0),
        "moving": moving,
        "waiting": moving + sum(counts.get(state, 0) for state in waits),
        "failed": counts.get(MessageState.FAILED, 0),
        "uncertain": counts.get(MessageState.UNCERTAIN, 0),
        "expired": counts.get(MessageState.EXPIRED, 0),
    }


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
