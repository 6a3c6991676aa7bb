"""The kinds of message: who composes them, and in which order they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from efir.telegram.models import Kind, OutboxMessage


@dataclass(frozen=True, slots=True)
class Composed:
    """A message as Telegram gets it: HTML of the Bot API, and buttons as (label, absolute address)."""

    text: str
    buttons: Sequence[tuple[str, str]] = ()

    def acceptable(self) -> Composed:
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
        return Composed("\n".join([self.text, "", *lines]), kept)


Compose = Callable[[Sequence[OutboxMessage]], Composed]


@dataclass(frozen=True, slots=True)
class Registered:
    """One kind. A lower `priority` goes first; `joins` is the kind that carries it where both are due."""

    kind: Kind
    compose: Compose
    priority: int
    needs_recording: bool = False
    joins: Kind | None = None


_kinds: dict[str, Registered] = {}


def register_kind(
    kind: Kind, *, compose: Compose, priority: int, needs_recording: bool = False, joins: Kind | None = None
) -> None:
    """Say how a kind of message is made; called once by an app's `ready`.

    `compose` gets the carrying message first and those it carries after it.
    """
    _kinds[kind] = Registered(kind, compose, priority, needs_recording, joins)


def registered(kind: str) -> Registered:
    """The kind's registration; raises KeyError for one that nobody registered."""
    return _kinds[kind]


def joining(carrier: str) -> list[str]:
    """The kinds that a message of the kind `carrier` takes along."""
    return [each.kind for each in _kinds.values() if each.joins == carrier]
