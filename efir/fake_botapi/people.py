"""Playing the people: what they do in their Telegram, and the updates the bot gets of it."""

from __future__ import annotations

import re
import secrets

from efir.fake_botapi.errors import Json
from efir.fake_botapi.state import Chat, Person, State

_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{0,64}")


class People:
    """The acts of people. Each raises UnknownPersonError for an id that was not added."""

    def __init__(self, state: State, bot: Json) -> None:
        self._state = state
        self._bot = bot

    def add(
        self,
        person_id: int,
        first_name: str,
        username: str | None = None,
        language_code: str | None = "ru",
        *,
        chat: bool = True,
    ) -> Person:
        """Adds a person, or renames one who is there; without `chat` the bot cannot write before their Start.

        Raises ValueError for an id that is not positive.
        """
        if person_id <= 0:
            raise ValueError(f"a person's id must be positive, not {person_id}")
        person = Person(person_id, first_name, username, language_code)
        self._state.add_person(person, chat=chat)
        return person

    def start(self, person_id: int, payload: str = "") -> None:
        """Presses Start, with the payload of a `t.me/<bot>?start=<payload>` link.

        Raises ValueError for a payload that Telegram does not carry.
        """
        if not _PAYLOAD.fullmatch(payload):
            raise ValueError("a payload has at most 64 of A-Z, a-z, 0-9, _ and -")
        self.say(person_id, f"/start {payload}".rstrip())

    def say(self, person_id: int, text: str) -> None:
        """Writes to the bot; whoever had blocked it unblocks it first, as Telegram itself demands."""
        with self._state.lock:
            person = self._state.person(person_id)
            self.unblock(person_id)
            self._state.add_update("message", self._state.incoming(person, text))

    def press(self, person_id: int, message_id: int, data: str) -> None:
        """Presses a button that has `callback_data`; LookupError where their chat has no such message."""
        with self._state.lock:
            person, chat = self._state.person(person_id), self._chat(person_id)
            if not 0 < message_id <= len(chat.messages):
                raise LookupError(f"no message {message_id} in the chat of {person_id}")
            query: Json = {"id": str(secrets.randbits(62)), "from": person.user(), "data": data}
            query |= {"message": chat.messages[message_id - 1], "chat_instance": str(person_id)}
            self._state.queries.add(query["id"])
            self._state.add_update("callback_query", query)

    def block(self, person_id: int) -> None:
        """Blocks the bot; nothing happens where it is blocked or has no chat."""
        self._set_blocked(person_id, blocked=True)

    def unblock(self, person_id: int) -> None:
        """Unblocks the bot; nothing happens where it is not blocked."""
        self._set_blocked(person_id, blocked=False)

    def upgrade(self, person_id: int, new_id: int) -> None:
        """Their chat becomes a supergroup: the bot is told the new id when it writes to the old one.

        Raises ValueError for an id that is not one of a supergroup (below -1000000000000), LookupError where
        they have no chat.
        """
        if new_id >= -1_000_000_000_000:
            raise ValueError(f"a supergroup's id must be below -1000000000000, not {new_id}")
        if person_id not in self._state.chats:
            raise LookupError(f"{person_id} has no chat")
        self._state.upgrade(person_id, new_id)

    def _chat(self, person_id: int) -> Chat:
        return self._state.chats.get(person_id, Chat())

    def _set_blocked(self, person_id: int, *, blocked: bool) -> None:
        with self._state.lock:
            person = self._state.person(person_id)
            if person_id in self._state.chats and self._chat(person_id).blocked != blocked:
                self._state.add_update("my_chat_member", self._membership(person, blocked=blocked))

    def _membership(self, person: Person, *, blocked: bool) -> Json:
        member: Json = {"user": dict(self._bot), "status": "member"}
        kicked: Json = {"user": dict(self._bot), "status": "kicked", "until_date": 0}
        return {
            "chat": person.chat(),
            "from": person.user(),
            "date": int(self._state.clock()),
            "old_chat_member": member if blocked else kicked,
            "new_chat_member": kicked if blocked else member,
        }
