"""The Bot API methods that Efir calls."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from efir.fake_botapi.errors import OFFICIAL_ERRORS, ApiError, Json, bad_request
from efir.fake_botapi.markup import inline_keyboard, parse_html, utf16_length
from efir.fake_botapi.state import State

# Limits of the official API.
MAX_TEXT = 4096
MAX_TIMEOUT_S = 50
MAX_UPDATES = 100


class Waiter:
    """A wait in an event loop that any thread can end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End the wait."""
        with suppress(RuntimeError):  # the loop was closed: there is no wait left
            self._loop.call_soon_threadsafe(self._woken.set)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Return True when woken, False after `timeout_s` seconds. None waits without a limit."""
        try:
            await asyncio.wait_for(self._woken.wait(), timeout_s)
        except TimeoutError:
            return False
        self._woken.clear()
        return True


class Methods:
    """The implemented methods; each returns the official `result` or raises ApiError."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._poll: Waiter | None = None
        self._closed = False
        state.on_update = self._wake

    @property
    def is_polling(self) -> bool:
        """Whether a getUpdates call is waiting."""
        return self._poll is not None

    def close(self) -> None:
        """End the waiting getUpdates; later ones no longer wait."""
        self._closed = True
        self._wake()

    async def call(self, method: str, params: Json, received_at: float) -> Any:
        """Call a method; `received_at` is Unix time in seconds. Raises ApiError."""
        match method:
            case "getUpdates":
                return await self._get_updates(
                    _integer(params, "offset", 0),
                    min(_integer(params, "limit", MAX_UPDATES), MAX_UPDATES),
                    min(_integer(params, "timeout", 0), MAX_TIMEOUT_S),
                )
            case "sendMessage":
                return self._send_message(params, received_at)
            case "getMe":
                return self._state.bot | {
                    "can_join_groups": True,
                    "can_read_all_group_messages": False,
                    "supports_inline_queries": False,
                    "can_connect_to_business": False,
                    "has_main_web_app": False,
                }
            case "getWebhookInfo":
                waiting = len(self._state.pending)
                return {"url": "", "has_custom_certificate": False, "pending_update_count": waiting}
            case "deleteWebhook" | "answerCallbackQuery":
                return True
            case _:
                raise ApiError(404, "Not Found")

    async def _get_updates(self, offset: int, limit: int, timeout_s: float) -> list[Json]:
        """Return the updates from `offset` on, and confirm those before it. Wait if there are none.

        Raises ApiError 409 if another getUpdates begins meanwhile.
        """
        self._state.confirm_before(offset)
        poll, earlier = Waiter(), self._poll
        self._poll = poll
        if earlier is not None:
            earlier.wake()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        try:
            while not (found := self._state.pending[:limit]) and not self._closed:
                if not await poll.wait(max(deadline - loop.time(), 0)):
                    break
                if self._poll is not poll:
                    raise ApiError(
                        409,
                        "Conflict: terminated by other getUpdates request; "
                        "make sure that only one bot instance is running",
                    )
            return found
        finally:
            if self._poll is poll:
                self._poll = None

    def _wake(self) -> None:
        if poll := self._poll:
            poll.wake()

    def _send_message(self, params: Json, received_at: float) -> Json:
        source, mode = str(params.get("text", "")), str(params.get("parse_mode", "")).lower()
        if mode not in {"", "html"}:
            raise bad_request("unsupported parse_mode")
        text, entities = parse_html(source) if mode else (source, [])
        if not text.strip():
            raise bad_request("message text is empty")
        if utf16_length(text) > MAX_TEXT:
            raise bad_request("message is too long")
        content: Json = {"text": text}
        if entities:
            content["entities"] = entities
        if markup := params.get("reply_markup"):
            content["reply_markup"] = inline_keyboard(markup)
        chat_id = _integer(params, "chat_id", 0)
        with self._state.lock:
            if new_id := self._state.migrated.get(chat_id):
                migrated = OFFICIAL_ERRORS["migrated"]
                raise ApiError(migrated.status, migrated.description, {"migrate_to_chat_id": new_id})
            if chat_id not in self._state.chats:
                raise bad_request("chat not found")
            if self._state.chats[chat_id].blocked:
                raise ApiError(403, OFFICIAL_ERRORS["blocked"].description)
            return self._state.add_sent(received_at, params, chat_id, content)


def _integer(params: Json, name: str, default: int) -> int:
    try:
        return int(params.get(name, default))
    except ValueError:
        return default
