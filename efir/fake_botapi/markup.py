"""Telegram's HTML: from marked-up text to plain text and entities.

The tags, the forgiving parts and the wording of the errors follow the official server (tdlib); offsets and
lengths of entities are in UTF-16 code units, positions in errors in bytes of UTF-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from efir.fake_botapi.errors import ApiError, Json, bad_request

ENTITY_OF_TAG = {
    "a": "text_link",
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "u": "underline",
    "ins": "underline",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
    "pre": "pre",
    "code": "code",
    "blockquote": "blockquote",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot)(?![a-zA-Z]));?")
_TAG_NAME = re.compile(r"[^\s>]*")
_ATTRIBUTE = re.compile(r"""\s*([^\s=>]+)(?:\s*=\s*("[^"]*"|'[^']*'|[A-Za-z0-9.-]+(?=[\s>])))?""")
_TAG_CLOSE = re.compile(r"\s*>")
_RUN = re.compile(r"[^<&]+")
_END_TAG = re.compile(r"</([^\s>]*)\s*(>?)")


def utf16_length(text: str) -> int:
    """How many UTF-16 code units the text takes: the unit of every Telegram length."""
    return len(text) + sum(char > "\uffff" for char in text)


def parse_html(source: str) -> tuple[str, list[Json]]:
    """Plain text and its entities, outer ones first; ApiError 400 where the markup is wrong."""
    text, entities = _Parser(source).parse()
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise _wrong(
            "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched "
            "surrogate code units"
        ) from exc
    return text, entities


def trim(text: str, entities: list[Json]) -> tuple[str, list[Json]]:
    """Text without the white space around it, and the entities moved and cut accordingly."""
    shift = utf16_length(text) - utf16_length(text.lstrip())
    text = text.strip()
    end = utf16_length(text)
    trimmed = []
    for entity in entities:
        first = max(entity["offset"] - shift, 0)
        last = min(entity["offset"] + entity["length"] - shift, end)
        if last > first:
            trimmed.append(entity | {"offset": first, "length": last - first})
    return text, trimmed


@dataclass
class _Open:
    """A start tag that waits for its end; `rank` counts the start tags before it."""

    tag: str
    attributes: dict[str, str]
    offset: int
    first_piece: int
    rank: int


@dataclass
class _Parser:
    source: str
    position: int = 0
    length: int = 0
    opened: int = 0
    pieces: list[str] = field(default_factory=list)
    nested: list[_Open] = field(default_factory=list)
    found: dict[int, Json] = field(default_factory=dict)

    def parse(self) -> tuple[str, list[Json]]:
        while self.position < len(self.source):
            self._step()
        if self.nested:
            raise _wrong(f'Can\'t find end tag corresponding to start tag "{self.nested[-1].tag}"')
        entities = [self.found[rank] for rank in sorted(self.found)]
        return "".join(self.pieces), [_without_code_language(entity) for entity in entities]

    def _step(self) -> None:
        if self.source.startswith("</", self.position):
            self._end_tag()
        elif self.source[self.position] == "<":
            self._start_tag()
        else:
            piece, self.position = _plain(self.source, self.position)
            self.pieces.append(piece)
            self.length += utf16_length(piece)

    def _at(self) -> str:
        return f"at byte offset {len(self.source[: self.position].encode('utf-8', 'surrogatepass'))}"

    def _start_tag(self) -> None:
        name = _matched(_TAG_NAME, self.source, self.position + 1)
        if self.source.find(">", self.position) < 0:
            raise _wrong(f"Unclosed start tag {self._at()}")
        tag = name.lower()
        if tag not in ENTITY_OF_TAG:
            raise _wrong(f'Unsupported start tag "{tag}" {self._at()}')
        attributes, end = self._attributes(tag, self.position + 1 + len(name))
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            raise _wrong(f'Tag "span" must have class "tg-spoiler" {self._at()}')
        self.nested.append(_Open(tag, attributes, self.length, len(self.pieces), self.opened))
        self.opened += 1
        self.position = end

    def _attributes(self, tag: str, position: int) -> tuple[dict[str, str], int]:
        attributes: dict[str, str] = {}
        while match := _ATTRIBUTE.match(self.source, position):
            name, value = match.groups()
            if value is None and (tag, name) != ("blockquote", "expandable"):
                raise _wrong(
                    f'Expected equal sign in declaration of an attribute of the tag "{tag}" {self._at()}'
                )
            attributes[name] = _decode(value)
            position = match.end()
        if not (close := _TAG_CLOSE.match(self.source, position)):
            raise _wrong(f"Unclosed start tag {self._at()}")
        return attributes, close.end()

    def _end_tag(self) -> None:
        if not self.nested:
            raise _wrong(f"Unexpected end tag {self._at()}")
        match = _END_TAG.match(self.source, self.position)
        if match is None or not match[2]:
            raise _wrong(f"Unclosed end tag {self._at()}")
        name, expected = match[1].lower(), self.nested[-1].tag
        if name and name != expected:
            raise _wrong(f'Unmatched end tag {self._at()}, expected "</{expected}>", found "</{name}>"')
        self._close(self.nested.pop())
        self.position = match.end()

    def _close(self, opened: _Open) -> None:
        if self.length == opened.offset:
            return
        entity: Json = {
            "type": ENTITY_OF_TAG[opened.tag],
            "offset": opened.offset,
            "length": self.length - opened.offset,
        }
        if opened.tag == "pre":
            entity |= self._language_inside(opened.rank + 1, entity)
        self.found[opened.rank] = entity | _details(opened, "".join(self.pieces[opened.first_piece :]))

    def _language_inside(self, rank: int, outer: Json) -> Json:
        """`<pre><code class="language-x">` is one entity, a `pre` with a language."""
        inner = self.found.get(rank, {})
        if (inner | {"language": None}) != (outer | {"type": "code", "language": None}):
            return {}
        language = self.found.pop(rank).get("language")
        return {"language": language} if language else {}


def _details(opened: _Open, inside: str) -> Json:
    attributes = opened.attributes
    if opened.tag == "a":
        return {"url": attributes.get("href") or inside}
    if opened.tag == "tg-emoji":
        return {"custom_emoji_id": attributes.get("emoji-id", "")}
    if opened.tag == "code" and attributes.get("class", "").startswith("language-"):
        return {"language": attributes["class"].removeprefix("language-")}
    return {}


def _without_code_language(entity: Json) -> Json:
    return {key: value for key, value in entity.items() if (entity["type"], key) != ("code", "language")}


def _matched(pattern: re.Pattern[str], source: str, position: int) -> str:
    match = pattern.match(source, position)
    return match[0] if match else ""


def _plain(source: str, position: int) -> tuple[str, int]:
    """The next run of plain text or the next decoded reference, and the position after it."""
    if source[position] != "&":
        run = _matched(_RUN, source, position)
        return run, position + len(run)
    match = _REFERENCE.match(source, position)
    char = _character(match) if match else ""
    return (char, match.end()) if match and char else ("&", position + 1)


def _character(reference: re.Match[str]) -> str:
    """The referenced character, or an empty string for a number that is none."""
    hexadecimal, decimal, name = reference.groups()
    if name:
        return _NAMED[name]
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    return chr(code) if 0 < code < 0x10FFFF else ""


def _decode(value: str | None) -> str:
    if value is None:
        return ""
    if value[:1] not in ("'", '"'):
        return value.lower()
    return _REFERENCE.sub(lambda match: _character(match) or match[0], value[1:-1])


def _wrong(text: str) -> ApiError:
    return bad_request(f"can't parse entities: {text}")
