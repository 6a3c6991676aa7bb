"""Telegram's message markup: HTML, inline keyboards and text length.

Rules and error messages follow the official server (tdlib). Offsets and lengths of entities are in UTF-16
code units, positions in errors in bytes of UTF-8.
"""

from __future__ import annotations

import html
import json
import re
from urllib.parse import urlsplit

from efir.fake_botapi.errors import ApiError, Json, bad_request

_ENTITY_OF_TAG = {
    "a": "text_link",
    "b": "bold",
    "code": "code",
    "em": "italic",
    "i": "italic",
    "pre": "pre",
    "s": "strikethrough",
    "strong": "bold",
    "u": "underline",
}
MAX_CALLBACK_DATA = 64  # bytes
_TOKEN = re.compile(
    r"""</(?P<end>[^\s>]*)\s*(?P<end_close>>?)
    | <(?P<start>[^\s>]*)(?P<attributes>[^>]*)(?P<start_close>>?)
    | (?P<reference>&(?:\#x[0-9a-fA-F]{1,6}|\#[0-9]{1,7}|(?:lt|gt|amp|quot)(?![a-zA-Z]));?)
    | (?P<text>[^<&]+|&)""",
    re.VERBOSE,
)
_HREF = re.compile(r"""\s*href\s*=\s*(["'])(.*?)\1\s*""", re.DOTALL)


def utf16_length(text: str) -> int:
    """Return the number of UTF-16 code units, the unit of every length in the Bot API."""
    return len(text) + sum(char > "\uffff" for char in text)


def parse_html(source: str) -> tuple[str, list[Json]]:
    """Return the plain text and its entities, outer ones first.

    Raises ApiError 400 for wrong markup and for tags other than those of _ENTITY_OF_TAG.
    """
    pieces: list[str] = []
    length = 0
    entities: list[Json] = []
    open_tags: list[tuple[str, Json]] = []

    def wrong(what: str, expected: str = "") -> ApiError:
        position = len(source[: token.start()].encode("utf-8", "surrogatepass"))
        return bad_request(f"can't parse entities: {what} at byte offset {position}{expected}")

    for token in _TOKEN.finditer(source):
        if token["start"] is not None:
            tag = token["start"].lower()
            if not token["start_close"]:
                raise wrong("Unclosed start tag")
            if tag not in _ENTITY_OF_TAG:
                raise wrong(f'Unsupported start tag "{tag}"')
            entity: Json = {"type": _ENTITY_OF_TAG[tag], "offset": length, "length": 0}
            if tag == "a":
                href = _HREF.fullmatch(token["attributes"])
                if href is None:
                    raise wrong('Expected equal sign in declaration of an attribute of the tag "a"')
                entity["url"] = html.unescape(href[2])
            entities.append(entity)
            open_tags.append((tag, entity))
        elif token["end"] is not None:
            if not open_tags:
                raise wrong("Unexpected end tag")
            if not token["end_close"]:
                raise wrong("Unclosed end tag")
            tag, entity = open_tags.pop()
            found = token["end"].lower()
            if found not in ("", tag):
                raise wrong("Unmatched end tag", f', expected "</{tag}>", found "</{found}>"')
            entity["length"] = length - entity["offset"]
        else:
            piece = html.unescape(token["reference"]) if token["reference"] else token["text"]
            pieces.append(piece)
            length += utf16_length(piece)
    if open_tags:
        raise bad_request(
            f"can't parse entities: Can't find end tag corresponding to start tag \"{open_tags[-1][0]}\""
        )
    return "".join(pieces), [entity for entity in entities if entity["length"]]


def inline_keyboard(markup: str) -> Json:
    """Return the keyboard of a sent message; `markup` is JSON with buttons that open an address or send their data.

    Raises ApiError 400 for JSON, a button or an address that the official server refuses.
    """
    try:
        keyboard: Json = json.loads(markup)
    except ValueError as exc:
        raise bad_request("can't parse reply keyboard markup JSON object") from exc
    for button in (button for row in keyboard["inline_keyboard"] for button in row):
        if "callback_data" in button:
            if not 1 <= len(button["callback_data"].encode()) <= MAX_CALLBACK_DATA:
                raise bad_request("BUTTON_DATA_INVALID")
            continue
        if "url" not in button:
            raise bad_request(
                "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
            )
        _check_url(button["url"])
    return keyboard


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Unsupported URL protocol")
    if not parts.hostname:
        raise bad_request("BUTTON_URL_INVALID")
    # Telegram refuses `localhost` but accepts `127.0.0.1` and IPv6 addresses.
    if "." not in parts.hostname and ":" not in parts.hostname:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
