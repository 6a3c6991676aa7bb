"""The state of the fake Bot API: people, chats, updates, sent messages, calls."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from efir.fake_botapi.errors import Json

# A demo may run for weeks; the calls of the last hours are enough for its page.
MAX_CALLS = 100_000
_START_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{0,64}")


@dataclass(frozen=True)
class Person:
    """A Telegram user; their id is also that of their private chat with the bot."""

    id: int
    first_name: str
    username: str | None = None
    language_code: str | None = "ru"

    def user(self) -> Json:
        """Return the official User object."""
        fields = asdict(self) | {"is_bot": False}
        return {name: value for name, value in fields.items() if value is not None}

    def chat(self) -> Json:
        """Return the official Chat object of the private chat."""
        fields = {"id": self.id, "first_name": self.first_name, "username": self.username, "type": "private"}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass
class Chat:
    """A chat; `messages` are official Message objects in both directions, oldest first."""

    messages: list[Json] = field(default_factory=list)
    blocked: bool = False


@dataclass(frozen=True)
class Sent:
    """A message from the bot: Unix time of the call in seconds, its parameters, the official Message."""

    received_at: float
    params: Json
    message: Json


@dataclass
class Call:
    """A call of the Bot API; `status` stays None if it never gets a response.

    Times are Unix times in seconds. `answered_at` is when the response was ready or known to be missing.
    """

    received_at: float
    method: str
    params: Json
    status: int | None = None
    description: str | None = None
    answered_at: float | None = None


class State:
    """Everything the fake remembers, in memory and, if `store` is given, in an append-only file of events.

    `clock` returns Unix time in seconds. `on_update` is called after each new update, from any thread.
    Raises ValueError if a line of the file cannot be read.
    """

    def __init__(self, bot: Json, store: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        # Tests and the demo's pages act from other threads than the server's.
        self.lock = threading.RLock()
        self.bot = bot
        self.clock = clock
        self.on_update: Callable[[], None] = lambda: None
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.migrated: dict[int, int] = {}  # a chat's id → that of the supergroup it became
        self.sent: list[Sent] = []
        self.calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self.pending: list[Json] = []  # updates the bot has not confirmed
        # Above the ids of an earlier run that was not stored: a bot ignores update ids it has seen.
        self.last_update_id = int(clock())
        self._store = store
        if store is not None and store.exists():
            self._replay(store)

    def chat(self, chat_id: int) -> Json:
        """Return the official Chat object of a person's chat or of the supergroup it became."""
        for old_id, new_id in self.migrated.items():
            if new_id == chat_id:
                return {"id": chat_id, "type": "supergroup", "title": self.people[old_id].first_name}
        return self.people[chat_id].chat()

    def add_person(self, person: Person, *, chat: bool) -> None:
        """Add or rename a person; with `chat`, open their chat with the bot."""
        with self.lock:
            if self.people.get(person.id) != person or (chat and person.id not in self.chats):
                self._record({"event": "person", "person": asdict(person), "chat": chat})

    def add_update(self, kind: str, content: Json) -> None:
        """Queue an update for the bot."""
        with self.lock:
            update = {"update_id": self.last_update_id + 1, kind: content}
            self._record({"event": "update", "update": update})
        self.on_update()

    def add_sent(self, received_at: float, params: Json, chat_id: int, content: Json) -> Json:
        """Add a message from the bot to a chat that exists. Return the official Message object."""
        with self.lock:
            message = self.message(chat_id, self.bot) | content
            self._record({"event": "sent", "received_at": received_at, "params": params, "message": message})
            return message

    def message(self, chat_id: int, sender: Json) -> Json:
        """Return the next official Message object of a chat, without content."""
        chat = self.chats.get(chat_id, Chat())
        return {
            "message_id": len(chat.messages) + 1,
            "from": dict(sender),
            "chat": self.chat(chat_id),
            "date": int(self.clock()),
        }

    def confirm_before(self, update_id: int) -> None:
        """Drop the updates below `update_id`: the bot has them."""
        with self.lock:
            if self.pending and self.pending[0]["update_id"] < update_id:
                self._record({"event": "confirmed", "before": update_id})

    def migrate(self, chat_id: int, new_id: int) -> None:
        """Turn a chat into a supergroup with an id of its own."""
        with self.lock:
            self._record({"event": "migrated", "chat_id": chat_id, "new_id": new_id})

    def _record(self, event: Json) -> None:
        if self._store is not None:
            if not self._store.exists():
                self._store.parent.mkdir(parents=True, exist_ok=True)
                self._store.touch(mode=0o600)  # messages are personal data
            with self._store.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(event) + "\n")
        self._apply(event)

    def _replay(self, store: Path) -> None:
        raw = store.read_bytes()
        complete = raw[: raw.rfind(b"\n") + 1]
        if len(complete) < len(raw):
            store.write_bytes(complete)  # a crash cut the last line short
        for number, line in enumerate(complete.splitlines(), start=1):
            try:
                event = json.loads(line)
            except ValueError as exc:
                raise ValueError(f"{store}, line {number}: not JSON; remove the file to start over") from exc
            self._apply(event)

    def _apply(self, event: Json) -> None:
        match event["event"]:
            case "person":
                person = Person(**event["person"])
                self.people[person.id] = person
                if event["chat"]:
                    self.chats.setdefault(person.id, Chat())
            case "migrated":
                self.migrated[event["chat_id"]] = event["new_id"]
                self.chats.setdefault(event["new_id"], Chat())
            case "sent":
                message = event["message"]
                self.chats[message["chat"]["id"]].messages.append(message)
                self.sent.append(Sent(event["received_at"], event["params"], message))
            case "confirmed":
                self.pending = [each for each in self.pending if each["update_id"] >= event["before"]]
            case "update":
                update = event["update"]
                self.last_update_id = max(self.last_update_id, update["update_id"])
                self.pending.append(update)
                if message := update.get("message"):
                    self.chats.setdefault(message["chat"]["id"], Chat()).messages.append(message)
                elif member := update.get("my_chat_member"):
                    self.chats[member["chat"]["id"]].blocked = member["new_chat_member"]["status"] == "kicked"


class People:
    """What people do in their Telegram. Each action raises KeyError for an id that was not added."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(
        self, person_id: int, first_name: str, username: str | None = None, *, chat: bool = True
    ) -> Person:
        """Add or rename a person. Without `chat`, the bot cannot write to them before they press Start."""
        person = Person(person_id, first_name, username)
        self._state.add_person(person, chat=chat)
        return person

    def start(self, person_id: int, payload: str = "") -> None:
        """Press Start, with the payload of a `t.me/<bot>?start=<payload>` link.

        Raises ValueError for a payload that Telegram does not accept.
        """
        if not _START_PAYLOAD.fullmatch(payload):
            raise ValueError("a start payload has at most 64 characters of A-Z, a-z, 0-9, _ and -")
        self.say(person_id, f"/start {payload}".rstrip())

    def say(self, person_id: int, text: str) -> None:
        """Write to the bot. Unblock it first, as Telegram demands."""
        with self._state.lock:
            person = self._state.people[person_id]
            self.unblock(person_id)
            message = self._state.message(person_id, person.user()) | {"text": text}
            self._state.add_update("message", message)

    def press(self, person_id: int, label: str) -> None:
        """Press the latest button with this label that sends its data. Raises KeyError if there is none."""
        with self._state.lock:
            for message in reversed(self._state.chats[person_id].messages):
                rows = message.get("reply_markup", {}).get("inline_keyboard", [])
                for button in (button for row in rows for button in row):
                    if button["text"] == label and "callback_data" in button:
                        query = {
                            "id": str(self._state.last_update_id + 1),
                            "from": self._state.people[person_id].user(),
                            "message": message,
                            "chat_instance": str(person_id),
                            "data": button["callback_data"],
                        }
                        return self._state.add_update("callback_query", query)
        raise KeyError(label)

    def block(self, person_id: int) -> None:
        """Block the bot. No-op if it is blocked already or has no chat with the person."""
        self._set_blocked(person_id, blocked=True)

    def unblock(self, person_id: int) -> None:
        """Unblock the bot. No-op if it is not blocked."""
        self._set_blocked(person_id, blocked=False)

    def migrate(self, person_id: int, new_id: int) -> None:
        """Turn the person's chat into a supergroup: a call to the old id is told the new one."""
        self._state.migrate(person_id, new_id)

    def _set_blocked(self, person_id: int, *, blocked: bool) -> None:
        with self._state.lock:
            person, chat = self._state.people[person_id], self._state.chats.get(person_id)
            if chat is None or chat.blocked == blocked:
                return
            member: Json = {"user": dict(self._state.bot), "status": "member"}
            kicked: Json = {"user": dict(self._state.bot), "status": "kicked", "until_date": 0}
            content = {
                "chat": person.chat(),
                "from": person.user(),
                "date": int(self._state.clock()),
                "old_chat_member": member if blocked else kicked,
                "new_chat_member": kicked if blocked else member,
            }
            self._state.add_update("my_chat_member", content)
