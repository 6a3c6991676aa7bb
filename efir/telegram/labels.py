"""Words about sending: why a message has not gone, why somebody is not reached, what is wrong with the bot."""

from __future__ import annotations

import re

from django.core.exceptions import ObjectDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from efir.telegram.bot.outcomes import unreachable_reason
from efir.telegram.models import (
    HELD_BY_RESTORE,
    NO_ACCESS,
    PERSON_ERASED,
    MessageState,
    OutboxMessage,
    UnreachableReason,
)

_BY_STATE: dict[str, Promise | str] = {
    MessageState.SENT.value: "",
    MessageState.WAITING_RECORDING.value: gettext_lazy("запись ещё не опубликована"),
    MessageState.EXPIRED.value: gettext_lazy("ждали слишком долго: теперь это уже не нужно"),
    MessageState.UNCERTAIN.value: gettext_lazy("Telegram дважды не ответил: возможно, сообщение дошло"),
}
_FOR_NOBODY: dict[str, Promise] = {
    PERSON_ERASED: gettext_lazy("аккаунт удалён"),
    NO_ACCESS: gettext_lazy("у получателя больше нет доступа"),
}
_EXCEPTION = re.compile(r"[A-Za-z]+(Error|Timeout|Protocol)")

TROUBLES: dict[str, Promise] = {
    "bot_rejected": gettext_lazy(
        "Telegram не принимает токен бота, поэтому ничего не отправляется. Сообщения не потеряются: они уйдут "
        "сами, как только администратор исправит токен."
    ),
    "dispatcher_down": gettext_lazy(
        "Отправка сейчас не работает. Сообщения не потеряются: они уйдут сами, как только администратор запустит её."
    ),
    "not_configured": gettext_lazy(
        "Telegram не подключён к сайту: сообщения подождут, пока администратор не подключит бота."
    ),
}


def unreachable_words(reason: str) -> str:
    """Why this chat cannot be written to; nothing where it can."""
    return str(UnreachableReason(reason).label) if reason in UnreachableReason else ""


def trouble_words(health: str) -> str:
    """What keeps the bot from sending; nothing where it is well."""
    return str(TROUBLES.get(health, ""))


def why_not_sent(message: OutboxMessage) -> str:
    """What stands in the message's way: in Russian where it is one of ours, else in Telegram's words."""
    if message.state == MessageState.WAITING_LINK:
        return _why_not_linked(message)
    if message.state == MessageState.QUEUED and message.uncertain_count:
        return _("исход прошлой попытки неизвестен, отправим ещё раз")
    if message.error in _FOR_NOBODY:
        return str(_FOR_NOBODY[message.error])
    if message.state == MessageState.UNCERTAIN and message.error == HELD_BY_RESTORE:
        return _("база восстановлена из копии: сообщение могло уйти уже после неё")
    if message.state in _BY_STATE:
        return str(_BY_STATE[message.state])
    return _told(message.error)


def _why_not_linked(message: OutboxMessage) -> str:
    try:
        chat = message.person.telegramchat
    except ObjectDoesNotExist:
        return _("Telegram не привязан")
    return unreachable_words(chat.unreachable_reason)


def _told(error: str) -> str:
    if reason := unreachable_reason(error):
        return str(reason.label)
    if _EXCEPTION.fullmatch(error):
        return _("нет связи с Telegram (%(error)s)") % {"error": error}
    return error


def whose_doing(message: OutboxMessage) -> list[str]:
    """Who had a hand in it, each with what they did; the system where nobody had."""
    hands = (
        (message.caused_by, _("решение: %(name)s")),
        (message.retried_by, _("ещё раз: %(name)s")),
        (message.resolved_by, _("подтверждение: %(name)s")),
    )
    return [words % {"name": person.name} for person, words in hands if person] or [_("автоматически")]
