"""The text of a post's HTML, as people would read it: paragraphs as lines, links with their address."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from efir.lib.text import clean_text

_BREAKS = frozenset(
    {"p", "div", "br", "li", "tr", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "hr"}
)
_UNREAD = frozenset({"script", "style", "iframe", "object"})
_BLANK_LINES = re.compile(r"\n\s*\n\s*")


def html_to_text(html: str) -> str:
    """Return the text without tags, comments, scripts and frames."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return _BLANK_LINES.sub("\n\n", clean_text("".join(reader.parts)))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unread = 0
        self._link, self._link_begins = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNREAD:
            self._unread += 1
        elif tag in _BREAKS:
            self.parts.append("\n")
        elif tag == "a":
            self._link, self._link_begins = dict(attrs).get("href") or "", len(self.parts)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNREAD:
            self._unread = max(0, self._unread - 1)
        elif tag in _BREAKS:
            self.parts.append("\n")
        elif tag == "a" and self._link.startswith(("http://", "https://")):
            if "".join(self.parts[self._link_begins :]).strip() != self._link:
                self.parts.append(f" ({self._link})")
            self._link = ""

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.parts.append(data)
