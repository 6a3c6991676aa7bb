"""From what came of a call to what is to be done: the table of telegram.md, without any input or output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from efir.lib.log import without_token
from efir.telegram.bot.client import BotApiError, Delivery

# For a 429 that does not say how long.
DEFAULT_WAIT_S = 5.0
# What is longer is no wait but a mistake, and would be none that a date can hold.
LONGEST_WAIT_S = 24 * 3600.0
INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Sent:
    """Telegram has it, under this id."""

    message_id: int


@dataclass(frozen=True, slots=True)
class ChatUnreachable:
    """This person's chat cannot be written to; `reason` is one of a closed list."""

    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class ChatMoved:
    """Surely not sent: the chat is now another one."""

    chat_id: int
    error: str


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """Our message is wrong: sending the same again is of no use."""

    error: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Surely not sent; the whole queue is silent for this many seconds."""

    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Surely not sent; the message is tried again later."""

    error: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Perhaps sent, perhaps not."""

    error: str


@dataclass(frozen=True, slots=True)
class TokenRejected:
    """The token is wrong: nothing can be sent until it works."""

    error: str


Failure: TypeAlias = (
    ChatUnreachable | ChatMoved | MessageRefused | RateLimited | NotSent | OutcomeUnknown | TokenRejected
)
Decision: TypeAlias = Sent | Failure

_UNREACHABLE = {
    "blocked": "blocked",
    "deactivated": "deactivated",
    "kicked": "kicked",
    "not a member": "not_member",
    "can't initiate": "never_started",
    "chat not found": "not_found",
}


def classify_outcome(outcome: int | BaseException) -> Decision:
    """What to do about a message's id, or about the exception that came instead of one."""
    if isinstance(outcome, int):
        return Sent(outcome)
    if not isinstance(outcome, BotApiError):
        return OutcomeUnknown(type(outcome).__name__)
    if outcome.reach is Delivery.NOT_SENT:
        return NotSent(outcome.description)
    if outcome.reach is Delivery.UNKNOWN:
        return OutcomeUnknown(outcome.description)
    text = without_token(outcome.description)
    if chat_id := _new_chat_id(outcome):
        return ChatMoved(chat_id, text)
    return _by_status(outcome, outcome.status or 0, text)


def _by_status(error: BotApiError, status: int, text: str) -> Decision:
    if status == 429:
        return RateLimited(_wait_s(error), text)
    if status in {401, 404} or (status == 400 and "logged out" in text.lower()):
        return TokenRejected(text)
    if 300 <= status < 500 and not error.official:
        return NotSent(text)  # a proxy or a login page: Telegram never saw the call
    if status == 403 or (status == 400 and "chat not found" in text.lower()):
        return ChatUnreachable(_reason(text), text)
    if 400 <= status < 500:
        return MessageRefused(text)
    return OutcomeUnknown(text)


def _reason(text: str) -> str:
    return next((reason for words, reason in _UNREACHABLE.items() if words in text.lower()), "forbidden")


def _new_chat_id(error: BotApiError) -> int | None:
    """Where a 400 says that the chat is now, whatever else it says."""
    told = error.parameters.get("migrate_to_chat_id")
    official = error.official and error.status == 400
    return told if official and type(told) is int and told in INT64 else None


def _wait_s(error: BotApiError) -> float:
    told = error.parameters.get("retry_after")
    if isinstance(told, int | float) and not isinstance(told, bool) and told >= 0:
        return min(float(told), LONGEST_WAIT_S)
    match = re.search(r"retry after (\d+)", error.description, re.IGNORECASE)
    return min(float(match[1]), LONGEST_WAIT_S) if match else DEFAULT_WAIT_S
