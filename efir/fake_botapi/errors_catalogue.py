"""Official errors by name: what the Bot API says in each case that a sender has to tell apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from efir.fake_botapi.errors import Json


@dataclass(frozen=True)
class Official:
    """One error: its status, its description (None: derived from status and parameters) and its parameters."""

    status: int
    description: str | None = None
    parameters: Json = field(default_factory=dict)


OFFICIAL = {
    # the bot
    "unauthorized": Official(401, "Unauthorized"),
    "not_found": Official(404, "Not Found"),
    "logged_out": Official(400, "Logged out"),
    # the chat
    "blocked": Official(403, "Forbidden: bot was blocked by the user"),
    "deactivated": Official(403, "Forbidden: user is deactivated"),
    "kicked": Official(403, "Forbidden: bot was kicked from the group chat"),
    "not_a_member": Official(403, "Forbidden: bot is not a member of the channel chat"),
    "cannot_initiate": Official(403, "Forbidden: bot can't initiate conversation with a user"),
    "chat_not_found": Official(400, "Bad Request: chat not found"),
    "migrated": Official(
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        {"migrate_to_chat_id": -1001234567890},
    ),
    # the message
    "cannot_parse": Official(
        400, 'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 0'
    ),
    "too_long": Official(400, "Bad Request: message is too long"),
    "empty": Official(400, "Bad Request: message text is empty"),
    "bad_button": Official(400, "Bad Request: BUTTON_URL_INVALID"),
    # too many at once; `retry_after` is not always there
    "wait": Official(429, None, {"retry_after": 1}),
    "wait_in_words": Official(429, "Too Many Requests: retry after 1"),
    "wait_untold": Official(429, "Too Many Requests"),
    # the server
    "server_error": Official(500, "Internal Server Error"),
    "restart": Official(500, "Internal Server Error: restart"),
    "bad_gateway": Official(502, "Bad Gateway"),
    "gateway_timeout": Official(504, "Gateway Timeout"),
}
