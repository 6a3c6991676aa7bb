"""Read a WordPress export (WXR) as a stream, with one post in memory at a time.

The file is untrusted: document types (and so entities) and oversized content are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat  # with document types refused, see `_Reader`

from efir.importing.report import FileRefused

# The export of a site with a hundred thousand posts; a larger one can be made in parts.
MAX_BYTES = 512 * 1024 * 1024
# The limit for one post's title, text or field; longer content is cut right after it, so that the reader notices.
MAX_CHARACTERS = 200_000
# WXR goes five levels deep.
MAX_LEVELS = 20
CHUNK = 64 * 1024
# Expat keeps a tag in memory until it ends, so an endless attribute would fill the memory.
MAX_UNPARSED = 1024 * 1024

_NAMESPACES = {
    "http://purl.org/rss/1.0/modules/content/": "content:",
    "http://wordpress.org/export/1.0/": "wp:",
    "http://wordpress.org/export/1.1/": "wp:",
    "http://wordpress.org/export/1.2/": "wp:",
}
_OF_A_POST = frozenset(
    {"title", "content:encoded", "wp:post_id", "wp:post_type", "wp:status", "wp:post_date_gmt"}
)
_OF_META = frozenset({"wp:meta_key", "wp:meta_value"})
_OF_THE_SITE = frozenset({"wp:wxr_version", "wp:base_blog_url", "wp:base_site_url"})
_POST_LEVEL = 3  # rss, channel, item


@dataclass
class Post:
    """A post of the file; `line` is where it begins."""

    line: int
    texts: dict[str, str] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.texts.get("wp:post_id", "").strip()

    @property
    def type(self) -> str:
        return self.texts.get("wp:post_type", "").strip()

    @property
    def status(self) -> str:
        return self.texts.get("wp:status", "").strip()

    @property
    def published_at(self) -> datetime | None:
        """When it was published; None for a draft, which has a time of zeros."""
        try:
            return datetime.fromisoformat(self.texts.get("wp:post_date_gmt", "").strip()).replace(tzinfo=UTC)
        except ValueError:
            return None


@dataclass
class WxrExport:
    """The contents of a file that has been read to the end."""

    site: str = ""
    posts: list[Post] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)


def read_export(path: Path, post_type: str, meta: Collection[str]) -> WxrExport:
    """Return the posts of this type, with those of their meta fields. Raises FileRefused and OSError."""
    export = WxrExport()
    with path.open("rb") as file:
        reader = _Reader(meta)
        for post in reader.posts(file):
            export.types[post.type] += 1
            if post.type == post_type:
                export.posts.append(post)
    if "wp:wxr_version" not in reader.site:
        raise FileRefused("not_wxr")
    export.site = reader.site.get("wp:base_blog_url") or reader.site.get("wp:base_site_url") or ""
    return export


class _Reader:
    """The handlers of the parser, and the post in progress."""

    def __init__(self, meta: Collection[str]) -> None:
        self._meta = meta
        self.site: dict[str, str] = {}
        self._done: list[Post] = []
        self._post: Post | None = None
        self._path: list[str] = []
        self._key = ""
        self._text: list[str] | None = None
        self._length = 0
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self._parser = parser

    def posts(self, file: BinaryIO) -> Iterator[Post]:
        """Yield each post when it has been read."""
        fed = 0
        try:
            while chunk := file.read(CHUNK):
                fed += len(chunk)
                if fed > MAX_BYTES:
                    raise FileRefused("too_large", limit=MAX_BYTES // 1024 // 1024)
                self._parser.Parse(chunk, False)
                if fed - self._parser.CurrentByteIndex > MAX_UNPARSED:
                    raise FileRefused("tag_endless", line=self._parser.CurrentLineNumber)
                yield from self._take()
            self._parser.Parse(b"", True)
        except expat.ExpatError as exc:
            raise FileRefused("not_xml", line=exc.lineno, reason=expat.errors.messages[exc.code]) from exc
        yield from self._take()

    def _take(self) -> list[Post]:
        done, self._done = self._done, []
        return done

    def _refuse_doctype(self, *_: object) -> None:
        raise FileRefused("has_doctype", line=self._parser.CurrentLineNumber)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        uri, _, local = name.rpartition(" ")
        name = _NAMESPACES.get(uri, f"{uri} " if uri else "") + local
        self._path.append(name)
        level = len(self._path)
        if level > MAX_LEVELS:
            raise FileRefused("too_deep", line=self._parser.CurrentLineNumber)
        if self._path[1:] == ["channel", "item"]:
            self._post = Post(self._parser.CurrentLineNumber)
        is_wanted = (
            name in _OF_A_POST
            if self._post and level == _POST_LEVEL + 1
            else name in _OF_META
            if self._post and self._path[_POST_LEVEL:-1] == ["wp:postmeta"]
            else name in _OF_THE_SITE and level == _POST_LEVEL
        )
        self._text, self._length = ([] if is_wanted else None), 0

    def _characters(self, text: str) -> None:
        if self._text is None:
            return
        room = MAX_CHARACTERS + 1 - self._length
        self._length += len(text)
        if room > 0:
            self._text.append(text[:room])

    def _end(self, _: str) -> None:
        name, level = self._path.pop(), len(self._path)
        text, self._text = ("".join(self._text) if self._text is not None else None), None
        if text is not None:
            self._keep(name, text)
        if self._post and level == _POST_LEVEL - 1:
            self._done.append(self._post)
            self._post = None

    def _keep(self, name: str, text: str) -> None:
        if self._post is None:
            self.site[name] = text.strip()
        elif name == "wp:meta_key":
            self._key = text.strip()
        elif name == "wp:meta_value":
            if self._key in self._meta:
                self._post.meta[self._key] = text
        else:
            self._post.texts[name] = text
