"""Classify the outcome of a call. The decision says what the outbox does next; this module does no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from efir.lib.log import without_token
from efir.telegram.models import UnreachableReason

# For a 429 that does not say how long to wait.
DEFAULT_WAIT_S = 5.0
# A longer wait is an error of the server, and might not fit into a date.
LONGEST_WAIT_S = 24 * 3600.0
INT64 = range(-(2**63), 2**63)


class Delivery(StrEnum):
    """Whether a failed call reached Telegram."""

    NOT_SENT = "not_sent"
    ANSWERED = "answered"
    UNKNOWN = "unknown"


class CallFailed(Exception):
    """A call that did not end with `ok: true`.

    description: Telegram's own words if it answered, else the name of the network error.
    official: whether Telegram answered, and not a proxy or a login page in between.
    parameters: hints such as `retry_after`; may be empty in any answer.
    """

    def __init__(
        self,
        delivery: Delivery,
        description: str,
        *,
        status: int | None = None,
        error_code: int | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(description)
        self.delivery = delivery
        self.description = description
        self.status = status
        self.error_code = error_code
        self.parameters = parameters or {}

    @property
    def official(self) -> bool:
        return self.error_code is not None


@dataclass(frozen=True, slots=True)
class Sent:
    """Telegram has the message, under this id."""

    message_id: int


@dataclass(frozen=True, slots=True)
class ChatUnreachable:
    """The bot cannot write to this chat."""

    reason: UnreachableReason
    error: str


@dataclass(frozen=True, slots=True)
class ChatMoved:
    """Surely not sent: the chat has a new id."""

    chat_id: int
    error: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Surely not sent. The whole queue must pause for this many seconds."""

    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class _Failure:
    error: str


class MessageRefused(_Failure):
    """Telegram refuses this message: sending it again would not help."""


class NotSent(_Failure):
    """Surely not sent. The message is tried again later."""


class OutcomeUnknown(_Failure):
    """It is unknown whether the message arrived."""


class TokenRejected(_Failure):
    """Telegram does not serve the bot with this token: nothing can be sent until it does."""


Decision: TypeAlias = (
    Sent
    | ChatUnreachable
    | ChatMoved
    | RateLimited
    | MessageRefused
    | NotSent
    | OutcomeUnknown
    | TokenRejected
)

# Parts of Telegram's descriptions, in lower case. The Bot API server rewords most errors of the layer below it, and
# passes on the others as they are, in capitals: https://core.telegram.org/method/messages.sendMessage.
_UNREACHABLE = {
    "blocked by the user": UnreachableReason.BLOCKED,
    "user_is_blocked": UnreachableReason.BLOCKED,
    "you_blocked_user": UnreachableReason.BLOCKED,
    "user is deactivated": UnreachableReason.DEACTIVATED,
    "user_deactivated": UnreachableReason.DEACTIVATED,
    "was kicked": UnreachableReason.KICKED,
    "not a member": UnreachableReason.NOT_MEMBER,
    "can't initiate": UnreachableReason.NEVER_STARTED,
    "chat not found": UnreachableReason.NOT_FOUND,
    "user not found": UnreachableReason.NOT_FOUND,
    "peer_id_invalid": UnreachableReason.NOT_FOUND,
    "user_id_invalid": UnreachableReason.NOT_FOUND,
    "chat_id_invalid": UnreachableReason.NOT_FOUND,
    "no rights to send": UnreachableReason.FORBIDDEN,
    "chat_write_forbidden": UnreachableReason.FORBIDDEN,
}


def classify_outcome(outcome: int | BaseException) -> Decision:
    """Classify a message id, or the exception that was raised instead of returning one."""
    if isinstance(outcome, int):
        return Sent(outcome)
    if not isinstance(outcome, CallFailed):
        return OutcomeUnknown(type(outcome).__name__)
    if outcome.delivery is Delivery.NOT_SENT:
        return NotSent(outcome.description)
    if outcome.delivery is Delivery.UNKNOWN:
        return OutcomeUnknown(outcome.description)
    text = without_token(outcome.description)
    if chat_id := _new_chat_id(outcome):
        return ChatMoved(chat_id, text)
    return _by_status(outcome, outcome.status or 0, text)


def _by_status(error: CallFailed, status: int, text: str) -> Decision:
    if status == 429:
        return RateLimited(_wait_s(error), text)
    if 300 <= status < 500 and not error.official:
        # A proxy or a login page, which says nothing about the token. A server that forwards to the Bot API may put
        # a 401 or 404 of its own in place of an answer, so it is not certain that Telegram never saw the call.
        return OutcomeUnknown(text) if status in {401, 404} else NotSent(text)
    # 421: a server of the Bot API that is not for this bot.
    if status in {401, 404, 421} or (status == 400 and "logged out" in text.lower()):
        return TokenRejected(text)
    reason = unreachable_reason(text)
    if status == 403 or (status == 400 and reason):
        return ChatUnreachable(reason or UnreachableReason.FORBIDDEN, text)
    if 400 <= status < 500:
        return MessageRefused(text)
    return OutcomeUnknown(text)


def unreachable_reason(description: str) -> UnreachableReason | None:
    """Return why the chat cannot be written to, by Telegram's description; None if the description does not say so."""
    return next((reason for part, reason in _UNREACHABLE.items() if part in description.lower()), None)


def _new_chat_id(error: CallFailed) -> int | None:
    # Any official 400 may carry it, whatever its description says.
    new_id = error.parameters.get("migrate_to_chat_id")
    official = error.official and error.status == 400
    return new_id if official and type(new_id) is int and new_id in INT64 else None


def _wait_s(error: CallFailed) -> float:
    seconds = error.parameters.get("retry_after")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0:
        return min(float(seconds), LONGEST_WAIT_S)
    match = re.search(r"retry after (\d+)", error.description, re.IGNORECASE)
    return min(float(match[1]), LONGEST_WAIT_S) if match else DEFAULT_WAIT_S
