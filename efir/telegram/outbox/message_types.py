"""The registry of message types: how each is composed, which goes first, which go together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Exists, QuerySet

from efir.accounts.capabilities import Capability
from efir.site_settings.current import current
from efir.telegram.models import Kind, OutboxMessage

# The Bot API's limit for the text that is left when the markup is parsed, in UTF-16 code units.
MAX_TEXT = 4096
_TAG = re.compile(r"<[^>]*>")


class IncompleteMessage(Exception):
    """Raised for a message without a text, or with a button without an address."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message as Telegram gets it: HTML of the Bot API, and buttons as (label, absolute address)."""

    text: str
    buttons: Sequence[tuple[str, str]] = ()

    @property
    def length(self) -> int:
        """The length as Telegram counts it: UTF-16 code units, without the markup."""
        return len(unescape(_TAG.sub("", self.text)).encode("utf-16-le")) // 2

    def acceptable(self) -> OutgoingMessage:
        """Move addresses that Telegram refuses in a button (a host without a dot) into the text.

        Raises IncompleteMessage.
        """
        if not self.text.strip():
            raise IncompleteMessage("it has no text")
        for label, address in self.buttons:
            if not label.strip() or not urlsplit(address).hostname:
                raise IncompleteMessage(f"a button is empty: {label!r} leads to {address!r}")
        refused = [
            (label, address)
            for label, address in self.buttons
            if "." not in (urlsplit(address).hostname or "")
        ]
        if not refused:
            return self
        lines = [f"{escape_line(label)}: {escape(address, quote=False)}" for label, address in refused]
        accepted = [button for button in self.buttons if button not in refused]
        return OutgoingMessage("\n".join([self.text, "", *lines]), accepted)


def site_title() -> str:
    """Return the site's name, escaped for a message."""
    return escape_line(current().title)


def escape_line(text: str, max_length: int | None = None) -> str:
    """Return `text` as one line, cut to `max_length` characters and then escaped, so that no entity is cut."""
    line = " ".join(text.split())
    if max_length is not None and len(line) > max_length:
        line = line[: max_length - 1].rstrip() + "…"
    return escape(line, quote=False)


Compose = Callable[[Sequence[OutboxMessage]], OutgoingMessage]


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How one person's messages of a kind from one webinar go out as one message, if there are many.

    max_single: up to so many messages still go one by one.
    has_more_to_come: returns a condition on messages: the person will get more of the kind from the webinar, so that
        these wait until all are there.
    summarize: counts a new batch for the texts of all its messages; returns a JSON value.
    sort: returns the messages in the order in which the text lists them. Which are listed first is their `rank`.
    prepare: reads what these messages are about, and returns a function that composes the first so many of them.
    """

    max_single: int
    has_more_to_come: Callable[[], Exists]
    summarize: Callable[[QuerySet[OutboxMessage]], Any]
    sort: Callable[[Sequence[OutboxMessage]], list[OutboxMessage]]
    prepare: Callable[[Sequence[OutboxMessage]], Callable[[int], OutgoingMessage]]


@dataclass(frozen=True, slots=True)
class MessageType:
    """One kind of message.

    compose: gets the carrying message first, then the messages that it carries.
    priority: a lower number goes first.
    joins: the kind whose message carries this one if both are due.
    needs: the capability that the receiver must have; None if everybody may receive it.
    """

    kind: Kind
    compose: Compose
    priority: int
    needs_recording: bool = False
    joins: Kind | None = None
    batching: BatchPolicy | None = None
    needs: Capability | None = None


_types: dict[str, MessageType] = {}


def register(message_type: MessageType) -> None:
    """Register a message type. Called once for each, by the `ready` of the app that composes it."""
    _types[message_type.kind] = message_type


def message_type(kind: str) -> MessageType:
    """Return the type of a kind; raises KeyError if it is not registered."""
    return _types[kind]


def compose(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """Compose the text and buttons of one call that carries these messages."""
    return message_type(messages[0].kind).compose(messages).acceptable()


def joining(carrier: str) -> list[str]:
    """Return the kinds that a message of the kind `carrier` takes along."""
    return [each.kind for each in _types.values() if each.joins == carrier]


def batch_policies() -> list[tuple[Kind, BatchPolicy]]:
    """Return the kinds of which many messages may go out as one, each with its policy."""
    return [(each.kind, each.batching) for each in _types.values() if each.batching]
