"""Inline keyboards: what the official server checks before it accepts one."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from efir.fake_botapi.errors import ApiError, Json, bad_request

SCHEMES = {"http", "https", "tg", "ton"}
ACTIONS = {"callback_data", "web_app", "login_url", "switch_inline_query", "copy_text", "pay"}


def inline_keyboard(raw: object) -> Json | None:
    """The keyboard as the sent message shows it; None for no markup or for one that is not shown there.

    Raises ApiError 400 for a markup, a button or an address the official server refuses.
    """
    markup = _parsed(raw)
    if "inline_keyboard" not in markup:
        return None
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request("can't parse inline keyboard: expected an Array of Array of InlineKeyboardButton")
    shown = [[_button(button) for button in row] for row in rows if row]
    return {"inline_keyboard": shown} if shown else None


def _parsed(raw: object) -> Json:
    if raw is None or raw == "":
        return {}
    try:
        markup = json.loads(raw) if isinstance(raw, str) else raw
    except ValueError as exc:
        raise bad_request("can't parse reply keyboard markup JSON object") from exc
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    return markup


def _button(button: object) -> Json:
    if not isinstance(button, dict):
        raise _unreadable("expected an Object")
    if not isinstance(button.get("text"), str):
        raise _unreadable('Can\'t find field "text"')
    if "url" in button:
        return button | {"url": checked_url(str(button["url"]))}
    if not ACTIONS & button.keys():
        raise _unreadable("Text buttons are unallowed in the inline keyboard")
    return button


def checked_url(url: str) -> str:
    """A button's address, completed; ApiError 400 for one that Telegram refuses.

    A host needs a dot: `localhost` is refused, `127.0.0.1` is not.
    """
    full = url if "://" in url or url.startswith(("tg:", "ton:")) else f"http://{url}"
    try:
        parts = urlsplit(full)
    except ValueError as exc:
        raise bad_request("BUTTON_URL_INVALID") from exc
    if parts.scheme not in SCHEMES:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Unsupported URL protocol")
    if parts.scheme in {"tg", "ton"}:
        return full
    if not parts.hostname or any(char.isspace() for char in url):
        raise bad_request("BUTTON_URL_INVALID")
    if "." not in parts.hostname and ":" not in parts.hostname:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    return parts._replace(path=parts.path or "/").geturl()


def _unreadable(why: str) -> ApiError:
    return bad_request(f"can't parse inline keyboard button: {why}")
