"""The kinds of message: who composes them, in which order they go, which of them go together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any
from urllib.parse import urlsplit

from django.db.models import QuerySet

from efir.accounts.capabilities import Capability
from efir.telegram.models import Kind, OutboxMessage

# The Bot API's limit for the text that is left when the markup is parsed, in UTF-16 code units.
MAX_TEXT = 4096
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message as Telegram gets it: HTML of the Bot API, and buttons as (label, absolute address)."""

    text: str
    buttons: Sequence[tuple[str, str]] = ()

    @property
    def length(self) -> int:
        """As Telegram counts it: UTF-16 code units, without the markup."""
        return len(unescape(_TAG.sub("", self.text)).encode("utf-16-le")) // 2

    def acceptable(self) -> OutgoingMessage:
        """The same, with addresses that Telegram refuses in a button (a host without a dot) as lines of the text."""
        refused = [
            (label, address)
            for label, address in self.buttons
            if "." not in (urlsplit(address).hostname or "")
        ]
        if not refused:
            return self
        lines = [
            f"{escape(label, quote=False)}: {escape(address, quote=False)}" for label, address in refused
        ]
        kept = [button for button in self.buttons if button not in refused]
        return OutgoingMessage("\n".join([self.text, "", *lines]), kept)


def escape_line(text: str, max_length: int | None = None) -> str:
    """Return `text` as one line, cut to `max_length` characters and then escaped, so that no entity is cut."""
    line = " ".join(text.split())
    if max_length is not None and len(line) > max_length:
        line = line[: max_length - 1].rstrip() + "…"
    return escape(line, quote=False)


Compose = Callable[[Sequence[OutboxMessage]], OutgoingMessage]


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """One person's messages of a kind from one webinar, where there are many: they go out as one.

    Up to `singly` still go one by one. `unfinished` gives the ids of the webinars that are still to cause more of
    them: theirs wait until all are there. `arrange` puts them in the order in which they are told.
    """

    singly: int
    unfinished: Callable[[], QuerySet[Any, Any]]
    arrange: Callable[[Sequence[OutboxMessage]], list[OutboxMessage]]


@dataclass(frozen=True, slots=True)
class Registered:
    """One kind. A lower `priority` goes first; `joins` is the kind that carries it where both are due.

    `needs` is what its receiver must be allowed, where it is not for everybody.
    """

    kind: Kind
    compose: Compose
    priority: int
    needs_recording: bool = False
    joins: Kind | None = None
    gathering: BatchPolicy | None = None
    needs: Capability | None = None


_kinds: dict[str, Registered] = {}


def register_kind(kind: Registered) -> None:
    """Say how a kind of message is made; called once by an app's `ready`.

    `compose` gets the carrying message first and those it carries after it.
    """
    _kinds[kind.kind] = kind


def registered(kind: str) -> Registered:
    """The kind's registration; raises KeyError for one that nobody registered."""
    return _kinds[kind]


def compose(messages: Sequence[OutboxMessage]) -> OutgoingMessage:
    """What the call that carries these messages will say."""
    return registered(messages[0].kind).compose(messages).acceptable()


def joining(carrier: str) -> list[str]:
    """The kinds that a message of the kind `carrier` takes along."""
    return [each.kind for each in _kinds.values() if each.joins == carrier]


def gatherings() -> list[tuple[Kind, BatchPolicy]]:
    """The kinds of which many may become one."""
    return [(each.kind, each.gathering) for each in _kinds.values() if each.gathering]
