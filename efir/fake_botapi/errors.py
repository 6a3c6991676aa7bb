"""Errors of the Bot API, in its own words."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """A failed call: HTTP status, official description and, for some errors, `parameters`."""

    def __init__(self, status: int, description: str, parameters: Json | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters or {}

    def body(self) -> Json:
        """Return the official JSON error object."""
        body: Json = {"ok": False, "error_code": self.status, "description": self.description}
        return body | {"parameters": self.parameters} if self.parameters else body


def bad_request(text: str) -> ApiError:
    """Return a 400 error with the official prefix."""
    return ApiError(400, f"Bad Request: {text}")


# Each error that a sender has to tell apart from the others, by a name for tests.
OFFICIAL_ERRORS = {
    # The bot.
    "unauthorized": ApiError(401, "Unauthorized"),
    "not_found": ApiError(404, "Not Found"),
    "logged_out": ApiError(400, "Logged out"),
    "misdirected": ApiError(421, "Misdirected Request: unallowed token specified"),
    # The chat.
    "blocked": ApiError(403, "Forbidden: bot was blocked by the user"),
    "deactivated": ApiError(403, "Forbidden: user is deactivated"),
    "kicked": ApiError(403, "Forbidden: bot was kicked from the group chat"),
    "not_a_member": ApiError(403, "Forbidden: bot is not a member of the channel chat"),
    "cannot_initiate": ApiError(403, "Forbidden: bot can't initiate conversation with a user"),
    "chat_not_found": bad_request("chat not found"),
    "user_not_found": bad_request("user not found"),
    "peer_id_invalid": bad_request("PEER_ID_INVALID"),
    "user_id_invalid": bad_request("USER_ID_INVALID"),
    "user_is_blocked": bad_request("USER_IS_BLOCKED"),
    "user_deactivated": bad_request("INPUT_USER_DEACTIVATED"),
    "migrated": ApiError(
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        {"migrate_to_chat_id": -1001234567890},
    ),
    # The message.
    "cannot_parse": bad_request('can\'t parse entities: Unsupported start tag "x" at byte offset 0'),
    "too_long": bad_request("message is too long"),
    "empty": bad_request("message text is empty"),
    "bad_button": bad_request("BUTTON_URL_INVALID"),
    # The rate limit; `retry_after` is not always there.
    "wait": ApiError(429, "Too Many Requests: retry after 1", {"retry_after": 1}),
    "wait_in_words": ApiError(429, "Too Many Requests: retry after 1"),
    "wait_untold": ApiError(429, "Too Many Requests"),
    # The server.
    "server_error": ApiError(500, "Internal Server Error"),
    "restart": ApiError(500, "Internal Server Error: restart"),
    "bad_gateway": ApiError(502, "Bad Gateway"),
    "gateway_timeout": ApiError(504, "Gateway Timeout"),
}
