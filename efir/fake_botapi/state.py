"""What the stand-in remembers: people, chats, updates, what was sent and every call."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from efir.fake_botapi.errors import Json, UnknownPersonError
from efir.fake_botapi.markup import utf16_length
from efir.fake_botapi.store import Store

KEPT_CALLS = 100_000
# As the official default: every kind but these, which a bot has to ask for.
NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_COMMAND = re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True)
class Person:
    """Somebody who uses Telegram; the id is also that of their private chat with the bot."""

    id: int
    first_name: str
    username: str | None = None
    language_code: str | None = None

    def user(self) -> Json:
        """The official User object."""
        return _given({**asdict(self), "is_bot": False})

    def chat(self) -> Json:
        """The official Chat object of the private chat."""
        return _given(
            {"id": self.id, "first_name": self.first_name, "username": self.username, "type": "private"}
        )


@dataclass
class Chat:
    """A private chat; `messages` are official Message objects in both directions, oldest first."""

    messages: list[Json] = field(default_factory=list)
    blocked: bool = False

    def next_message_id(self) -> int:
        return len(self.messages) + 1


@dataclass(frozen=True)
class Sent:
    """A message the bot sent: Unix time of the call in seconds, its parameters as they came, the result."""

    received_at: float
    params: Json
    message: Json


@dataclass
class Call:
    """A call of the Bot API; `status` is None until it is answered, and stays so where it never is.

    `answered_at` is when the answer was ready, or when it was clear that there would be none.
    """

    received_at: float
    bot_id: int
    method: str
    params: Json
    status: int | None = None
    description: str | None = None
    answered_at: float | None = None


class State:
    """All of it, kept in memory and, where `store` names a file, beyond the process.

    `clock` gives Unix time in seconds; `on_update` is called after a new update, perhaps in another thread.
    """

    def __init__(self, store: Path | None, clock: Callable[[], float] = time.time) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.on_update: Callable[[], None] = lambda: None
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        # A chat that was upgraded → the supergroup that it became.
        self.upgraded: dict[int, int] = {}
        self.sent: list[Sent] = []
        self.calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self.commands: list[Json] = []
        self.queries: set[str] = set()
        self.pending: list[Json] = []
        self.allowed: frozenset[str] = frozenset()
        # Past the ids of an earlier run that was not kept: a bot never accepts an update id twice.
        self.last_update_id = int(clock())
        self._store = Store(store) if store else None
        for event in self._store.replay() if self._store else ():
            self._apply(event)

    def person(self, person_id: int) -> Person:
        """Raises UnknownPersonError."""
        if person_id not in self.people:
            raise UnknownPersonError(f"nobody with id {person_id} was added to the stand-in")
        return self.people[person_id]

    def chat(self, chat_id: int) -> Json:
        """The official Chat object of a person's chat or of the supergroup that it became."""
        before = {now: old for old, now in self.upgraded.items()}.get(chat_id)
        if before is None:
            return self.person(chat_id).chat()
        return {"id": chat_id, "type": "supergroup", "title": self.person(before).first_name}

    def upgrade(self, chat_id: int, new_id: int) -> None:
        """The chat becomes a supergroup with an id of its own."""
        with self.lock:
            self._record({"event": "upgraded", "chat_id": chat_id, "new_id": new_id})

    def add_person(self, person: Person, *, chat: bool) -> None:
        """Adds or renames a person; `chat` opens their chat with the bot."""
        with self.lock:
            if self.people.get(person.id) != person or (chat and person.id not in self.chats):
                self._record({"event": "person", "person": asdict(person), "chat": chat})

    def add_update(self, kind: str, content: Json) -> None:
        """A new update for the bot, waiting to be fetched unless the bot asked not to get its kind."""
        with self.lock:
            update = {"update_id": self.last_update_id + 1, kind: content}
            self._record({"event": "update", "update": update, "queued": self._wanted(kind)})
        self.on_update()

    def add_sent(self, received_at: float, params: Json, chat_id: int, sender: Json, content: Json) -> Json:
        """The bot's message in a chat that exists; returns the official Message object."""
        with self.lock:
            message = self._message(chat_id, sender) | content
            self._record({"event": "sent", "received_at": received_at, "params": params, "message": message})
            return message

    def incoming(self, person: Person, text: str) -> Json:
        """The official Message object of what the person writes to the bot."""
        message = self._message(person.id, person.user()) | {"text": text}
        entities = [_command_entity(text, match) for match in _COMMAND.finditer(text)]
        return message | {"entities": entities} if entities else message

    def confirm_before(self, update_id: int) -> None:
        """Forgets the updates below `update_id`: the bot has them."""
        with self.lock:
            if self.pending and self.pending[0]["update_id"] < update_id:
                self._record({"event": "confirmed", "before": update_id})

    def _message(self, chat_id: int, sender: Json) -> Json:
        chat = self.chats.get(chat_id, Chat())
        return {
            "message_id": chat.next_message_id(),
            "from": sender,
            "chat": self.chat(chat_id),
            "date": int(self.clock()),
        }

    def _wanted(self, kind: str) -> bool:
        return kind in self.allowed if self.allowed else kind not in NOT_BY_DEFAULT

    def _record(self, event: Json) -> None:
        if self._store:
            self._store.append(event)
        self._apply(event)

    def _apply(self, event: Json) -> None:
        apply: Callable[[Json], None] = getattr(self, f"_apply_{event['event']}")
        apply(event)

    def _apply_person(self, event: Json) -> None:
        person = Person(**event["person"])
        self.people[person.id] = person
        if event["chat"]:
            self.chats.setdefault(person.id, Chat())

    def _apply_upgraded(self, event: Json) -> None:
        self.upgraded[event["chat_id"]] = event["new_id"]
        self.chats.setdefault(event["new_id"], Chat())

    def _apply_sent(self, event: Json) -> None:
        message = event["message"]
        self.chats[message["chat"]["id"]].messages.append(message)
        self.sent.append(Sent(event["received_at"], event["params"], message))

    def _apply_confirmed(self, event: Json) -> None:
        self.pending = [update for update in self.pending if update["update_id"] >= event["before"]]

    def _apply_update(self, event: Json) -> None:
        update = event["update"]
        self.last_update_id = max(self.last_update_id, update["update_id"])
        if event["queued"]:
            self.pending.append(update)
        if message := update.get("message"):
            self.chats.setdefault(message["chat"]["id"], Chat()).messages.append(message)
        if member := update.get("my_chat_member"):
            self.chats[member["chat"]["id"]].blocked = member["new_chat_member"]["status"] == "kicked"


def _given(fields: dict[str, Any]) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _command_entity(text: str, match: re.Match[str]) -> Json:
    offset = utf16_length(text[: match.start()])
    return {"type": "bot_command", "offset": offset, "length": len(match[0])}
