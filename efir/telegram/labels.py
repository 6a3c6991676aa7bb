"""Texts about a message: why it has not been sent, and who decided or resent it."""

from __future__ import annotations

import re

from django.core.exceptions import ObjectDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from efir.telegram.bot.outcomes import unreachable_reason
from efir.telegram.models import (
    HELD_BY_RESTORE,
    Ineligible,
    MessageState,
    OutboxMessage,
    UnreachableReason,
)

_OUTCOME_UNKNOWN = "outcome_unknown"
_HELD_BY_RESTORE = "held_by_restore"
_NOT_LINKED = "not_linked"
_NO_CONNECTION = "no_connection"
_REFUSED = "refused_by_telegram"

_BY_STATE: dict[str, str] = {
    MessageState.SENT.value: "",
    MessageState.WAITING_RECORDING.value: "recording_not_published",
    MessageState.EXPIRED.value: "waited_too_long",
    MessageState.UNCERTAIN.value: "not_answered_twice",
}
# The reasons besides `Ineligible`, `UnreachableReason` and the errors of a call. Codes are public: `efir outbox`.
_WORDS: dict[str, Promise] = {
    "recording_not_published": gettext_lazy("запись ещё не опубликована"),
    "waited_too_long": gettext_lazy("ждали слишком долго: теперь это уже не нужно"),
    "not_answered_twice": gettext_lazy("Telegram дважды не ответил: возможно, сообщение дошло"),
    _OUTCOME_UNKNOWN: gettext_lazy("исход прошлой попытки неизвестен, отправим ещё раз"),
    _HELD_BY_RESTORE: gettext_lazy("база восстановлена из копии: сообщение могло уйти уже после неё"),
    _NOT_LINKED: gettext_lazy("Telegram не привязан"),
}
# The names of httpx's exceptions, as `bot.client` stores them.
_NETWORK_ERROR = re.compile(r"[A-Za-z]+(Error|Timeout|Protocol)")


def reason_not_sent(message: OutboxMessage) -> str:
    """Return the code of the reason why the message has not been sent; empty if it has been, or is just due."""
    error = message.error
    if message.state == MessageState.WAITING_LINK:
        return _reason_not_linked(message)
    if message.state == MessageState.QUEUED and message.uncertain_count:
        return _OUTCOME_UNKNOWN
    if error in Ineligible:
        return Ineligible(error).value
    if message.state == MessageState.UNCERTAIN and error == HELD_BY_RESTORE:
        return _HELD_BY_RESTORE
    if message.state in _BY_STATE:
        return _BY_STATE[message.state]
    return _reason_of_error(error)


def _reason_of_error(error: str) -> str:
    if reason := unreachable_reason(error):
        return reason.value
    if _NETWORK_ERROR.fullmatch(error):
        return _NO_CONNECTION
    return _REFUSED if error else ""


def _reason_not_linked(message: OutboxMessage) -> str:
    """Return why there is no reachable chat; empty if there is one again, and the message is about to be queued."""
    try:
        reason = message.person.telegramchat.unreachable_reason
    except ObjectDoesNotExist:
        return _NOT_LINKED
    return UnreachableReason(reason).value if reason in UnreachableReason else ""


def why_not_sent(message: OutboxMessage) -> str:
    """Return the reason in words: a sentence of ours, or Telegram's own words; empty if there is none."""
    reason = reason_not_sent(message)
    if reason == _NO_CONNECTION:
        return _("нет связи с Telegram (%(error)s)") % {"error": message.error}
    if reason == _REFUSED:
        return message.error
    for choices in (Ineligible, UnreachableReason):
        if reason in choices:
            return str(choices(reason).label)
    return str(_WORDS[reason]) if reason else ""


def handled_by(message: OutboxMessage) -> list[str]:
    """Return a phrase for each person who decided, resent or resolved the message; or that the system did it."""
    hands = (
        (message.caused_by, _("решение: %(name)s")),
        (message.retried_by, _("ещё раз: %(name)s")),
        (message.resolved_by, _("подтверждение: %(name)s")),
    )
    return [phrase % {"name": person.name} for person, phrase in hands if person] or [_("автоматически")]
