"""The methods of the Bot API that Efir uses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from efir.fake_botapi.errors import ApiError, Json, bad_request, not_found
from efir.fake_botapi.errors_catalogue import OFFICIAL_ERRORS
from efir.fake_botapi.keyboard import inline_keyboard
from efir.fake_botapi.markup import parse_html, trim, utf16_length
from efir.fake_botapi.polling import Polling
from efir.fake_botapi.state import State

MAX_TEXT = 4096
MAX_TIMEOUT_S = 50
MAX_UPDATES = 100
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")


class BotApi:
    """Carries the calls out. Each method returns what the official `result` holds or raises ApiError."""

    def __init__(self, state: State, bot: Json) -> None:
        self.polling = Polling(state)
        self._state = state
        self._bot = bot
        self._methods: dict[str, Callable[[Json, float], Any]] = {
            "getme": self._get_me,
            "sendmessage": self._send_message,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._get_webhook_info,
            "setmycommands": self._set_my_commands,
            "answercallbackquery": self._answer_callback_query,
        }

    async def call(self, method: str, params: Json, received_at: float) -> Any:
        """Calls a method, whose name may be in any case; `received_at` is Unix time in seconds."""
        if method.lower() == "getupdates":
            return await self._get_updates(params)
        if method.lower() not in self._methods:
            raise not_found()
        return self._methods[method.lower()](params, received_at)

    async def _get_updates(self, params: Json) -> list[Json]:
        if "allowed_updates" in params:
            self._state.allowed = frozenset(map(str, _list(params, "allowed_updates")))
        offset = _integer(params, "offset", 0)
        limit = min(max(_integer(params, "limit", MAX_UPDATES), 1), MAX_UPDATES)
        timeout_s = min(max(_integer(params, "timeout", 0), 0), MAX_TIMEOUT_S)
        return await self.polling.updates(offset, limit, timeout_s)

    def _get_me(self, _params: Json, _received_at: float) -> Json:
        abilities = {
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }
        return self._bot | abilities

    def _send_message(self, params: Json, received_at: float) -> Json:
        text, entities = _formatted(params)
        keyboard = inline_keyboard(params.get("reply_markup"))
        content: Json = {"text": text}
        content |= {"entities": entities} if entities else {}
        content |= {"reply_markup": keyboard} if keyboard else {}
        if preview := _object(params, "link_preview_options"):
            content["link_preview_options"] = preview
        with self._state.lock:
            chat_id = self._reachable_chat(params)
            return self._state.add_sent(received_at, params, chat_id, dict(self._bot), content)

    def _reachable_chat(self, params: Json) -> int:
        if params.get("chat_id") in (None, ""):
            raise bad_request("chat_id is empty")
        chat_id = _integer(params, "chat_id", 0)
        if chat_id in self._state.upgraded:
            migrated = OFFICIAL_ERRORS["migrated"]
            parameters = {"migrate_to_chat_id": self._state.upgraded[chat_id]}
            raise ApiError(migrated.status, str(migrated.description), parameters)
        if chat_id not in self._state.chats:
            raise bad_request("chat not found")
        if self._state.chats[chat_id].blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        return chat_id

    def _delete_webhook(self, params: Json, _received_at: float) -> bool:
        if str(params.get("drop_pending_updates")).lower() in {"true", "1", "yes"}:
            self._state.confirm_before(self._state.last_update_id + 1)
        return True

    def _get_webhook_info(self, _params: Json, _received_at: float) -> Json:
        waiting = len(self._state.pending)
        return {"url": "", "has_custom_certificate": False, "pending_update_count": waiting}

    def _set_my_commands(self, params: Json, _received_at: float) -> bool:
        commands = _list(params, "commands")
        for command in commands:
            if not isinstance(command, dict) or not {"command", "description"} <= command.keys():
                raise bad_request(
                    "can't parse BotCommand: expected an Object with a command and a description"
                )
            if not _COMMAND.fullmatch(str(command["command"]).removeprefix("/")):
                raise bad_request("BOT_COMMAND_INVALID")
            if not 1 <= len(str(command["description"])) <= 256:
                raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        self._state.commands = commands
        return True

    def _answer_callback_query(self, params: Json, _received_at: float) -> bool:
        query = str(params.get("callback_query_id"))
        if query not in self._state.queries:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        self._state.queries.discard(query)
        return True


def _formatted(params: Json) -> tuple[str, list[Json]]:
    source = str(params.get("text", ""))
    if not source:
        raise bad_request("message text is empty")
    if any("\ud800" <= char <= "\udfff" for char in source):
        raise bad_request("strings must be encoded in UTF-8")
    text, entities = trim(*_parsed(source, params))
    if not text:
        raise bad_request("text must be non-empty")
    if utf16_length(text) > MAX_TEXT:
        raise bad_request("message is too long")
    return text, entities


def _parsed(source: str, params: Json) -> tuple[str, list[Json]]:
    mode = str(params.get("parse_mode") or "").lower()
    if mode == "html":
        return parse_html(source)
    if mode not in {"", "none"}:
        raise bad_request("unsupported parse_mode")
    return source, [entity for entity in _list(params, "entities") if isinstance(entity, dict)]


def _integer(params: Json, name: str, default: int) -> int:
    try:
        return int(params.get(name, default))
    except (TypeError, ValueError):
        return default


def _list(params: Json, name: str) -> list[Any]:
    value = _decoded(params, name)
    if value is not None and not isinstance(value, list):
        raise bad_request(f"can't parse {name}: expected an Array")
    return value or []


def _object(params: Json, name: str) -> Json:
    value = _decoded(params, name)
    if value is not None and not isinstance(value, dict):
        raise bad_request(f"can't parse {name}: expected an Object")
    return value or {}


def _decoded(params: Json, name: str) -> Any:
    """A parameter that is JSON inside of a form, or plain JSON where the whole body is."""
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as exc:
        raise bad_request(f"can't parse {name} JSON object") from exc
