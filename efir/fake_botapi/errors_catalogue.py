"""Official errors by name: what the Bot API says in each case that a sender has to tell apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from efir.fake_botapi.errors import Json


@dataclass(frozen=True)
class OfficialError:
    """One error: its status, its description (None: derived from status and parameters) and its parameters."""

    status: int
    description: str | None = None
    parameters: Json = field(default_factory=dict)


OFFICIAL_ERRORS = {
    # the bot
    "unauthorized": OfficialError(401, "Unauthorized"),
    "not_found": OfficialError(404, "Not Found"),
    "logged_out": OfficialError(400, "Logged out"),
    # the chat
    "blocked": OfficialError(403, "Forbidden: bot was blocked by the user"),
    "deactivated": OfficialError(403, "Forbidden: user is deactivated"),
    "kicked": OfficialError(403, "Forbidden: bot was kicked from the group chat"),
    "not_a_member": OfficialError(403, "Forbidden: bot is not a member of the channel chat"),
    "cannot_initiate": OfficialError(403, "Forbidden: bot can't initiate conversation with a user"),
    "chat_not_found": OfficialError(400, "Bad Request: chat not found"),
    "migrated": OfficialError(
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        {"migrate_to_chat_id": -1001234567890},
    ),
    # the message
    "cannot_parse": OfficialError(
        400, 'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 0'
    ),
    "too_long": OfficialError(400, "Bad Request: message is too long"),
    "empty": OfficialError(400, "Bad Request: message text is empty"),
    "bad_button": OfficialError(400, "Bad Request: BUTTON_URL_INVALID"),
    # too many at once; `retry_after` is not always there
    "wait": OfficialError(429, None, {"retry_after": 1}),
    "wait_in_words": OfficialError(429, "Too Many Requests: retry after 1"),
    "wait_untold": OfficialError(429, "Too Many Requests"),
    # the server
    "server_error": OfficialError(500, "Internal Server Error"),
    "restart": OfficialError(500, "Internal Server Error: restart"),
    "bad_gateway": OfficialError(502, "Bad Gateway"),
    "gateway_timeout": OfficialError(504, "Gateway Timeout"),
}
