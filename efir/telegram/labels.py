"""Sentences about a message: why it has not been sent, and who had a hand in it."""

from __future__ import annotations

import re

from django.core.exceptions import ObjectDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from efir.telegram.bot.outcomes import unreachable_reason
from efir.telegram.models import HELD_BY_RESTORE, Ineligible, MessageState, OutboxMessage

_BY_STATE: dict[str, Promise | str] = {
    MessageState.SENT.value: "",
    MessageState.WAITING_RECORDING.value: gettext_lazy("запись ещё не опубликована"),
    MessageState.EXPIRED.value: gettext_lazy("ждали слишком долго: теперь это уже не нужно"),
    MessageState.UNCERTAIN.value: gettext_lazy("Telegram дважды не ответил: возможно, сообщение дошло"),
}
# The names of httpx's exceptions, as `bot.client` stores them.
_NETWORK_ERROR = re.compile(r"[A-Za-z]+(Error|Timeout|Protocol)")


def why_not_sent(message: OutboxMessage) -> str:
    """Return why the message has not been sent: a sentence of ours, or Telegram's own words; empty if it has been."""
    error = message.error
    if message.state == MessageState.WAITING_LINK:
        return _why_not_linked(message)
    if message.state == MessageState.QUEUED and message.uncertain_count:
        return _("исход прошлой попытки неизвестен, отправим ещё раз")
    if error in Ineligible:
        return str(Ineligible(error).label)
    if message.state == MessageState.UNCERTAIN and error == HELD_BY_RESTORE:
        return _("база восстановлена из копии: сообщение могло уйти уже после неё")
    if message.state in _BY_STATE:
        return str(_BY_STATE[message.state])
    return _describe(error)


def _why_not_linked(message: OutboxMessage) -> str:
    try:
        return message.person.telegramchat.unreachable_label
    except ObjectDoesNotExist:
        return _("Telegram не привязан")


def _describe(error: str) -> str:
    if reason := unreachable_reason(error):
        return str(reason.label)
    if _NETWORK_ERROR.fullmatch(error):
        return _("нет связи с Telegram (%(error)s)") % {"error": error}
    return error


def handled_by(message: OutboxMessage) -> list[str]:
    """Return who decided, resent or resolved the message, a phrase for each; or that the system did it all."""
    hands = (
        (message.caused_by, _("решение: %(name)s")),
        (message.retried_by, _("ещё раз: %(name)s")),
        (message.resolved_by, _("подтверждение: %(name)s")),
    )
    return [phrase % {"name": person.name} for person, phrase in hands if person] or [_("автоматически")]
