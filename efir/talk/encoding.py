"""Encode a message as JSON for each kind of reader."""

from __future__ import annotations

from enum import Enum
from typing import Any

from efir.lib import clock
from efir.talk.models import Message, State


class Audience(Enum):
    """The reader of a message: somebody who moderates, its author, or anybody else."""

    MODERATING = "moderating"
    AUTHOR = "author"
    EVERYBODY = "everybody"


def as_json(message: Message, audience: Audience) -> dict[str, Any] | None:
    """Return the message as JSON-ready data; None if this audience must not get it.

    Its person must be loaded. Somebody who moderates also gets what a hidden message says, as `original`.
    """
    if audience is Audience.EVERYBODY:
        if message.is_public:
            return _whole(message, State.SHOWN)
        return _hidden(message) if message.shown_at else None
    is_hidden = message.state == State.HIDDEN
    if audience is Audience.AUTHOR:
        return _hidden(message) if is_hidden else _whole(message, message.state)
    if not (is_hidden or message.muted):
        return _whole(message, message.state, with_person=True)
    original = {"text": message.text, "author": _author(message, with_person=True)}
    return _hidden(message) | ({"original": original} if message.text else {})


def audience_of(message: Message, person_id: int, *, moderates: bool) -> Audience:
    """Return as whom this person reads the message."""
    if moderates:
        return Audience.MODERATING
    return Audience.AUTHOR if message.person_id == person_id else Audience.EVERYBODY


def _whole(message: Message, state: str, *, with_person: bool = False) -> dict[str, Any]:
    data = {
        "id": message.number,
        "kind": message.kind,
        "text": message.text,
        "at": clock.iso(message.at),
        "author": _author(message, with_person=with_person),
        "state": str(state),
    }
    if message.pinned:
        data["pinned"] = True
    if message.private:
        data["private"] = True
    if message.answered_at:
        data["answered_at"] = clock.iso(message.answered_at)
        data["answered_minute"] = message.answered_minute
    return data


def _hidden(message: Message) -> dict[str, Any]:
    return {
        "id": message.number,
        "kind": message.kind,
        "text": "",
        "at": clock.iso(message.at),
        "author": {},
        "state": State.HIDDEN.value,
    }


def _author(message: Message, *, with_person: bool) -> dict[str, Any]:
    author: dict[str, Any] = {"name": message.person.name, "badge": message.badge}
    return author | ({"person": message.person_id} if with_person else {})
