"""Addresses as people copy them from a browser, and the address of the same player that can be framed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

_YOUTUBE = frozenset({"www.youtube.com", "youtube.com", "m.youtube.com"})
_VK = frozenset({"vk.com", "www.vk.com", "m.vk.com", "vk.ru", "vkvideo.ru", "www.vkvideo.ru", "m.vkvideo.ru"})
_VIDEO_OF_YOUTUBE = "https://www.youtube.com/embed/{id}"
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


@dataclass(frozen=True)
class Copied:
    """One kind of page: `page` is matched against the path, a question mark and the query."""

    hosts: frozenset[str]
    page: re.Pattern[str]
    framed: str


def _kind(hosts: frozenset[str] | set[str], page: str, framed: str) -> Copied:
    return Copied(frozenset(hosts), re.compile(page, re.ASCII), framed)


KINDS = (
    _kind(_YOUTUBE, r"/watch/?\?(?:.*&)?v=(?P<id>[\w-]+)", _VIDEO_OF_YOUTUBE),
    _kind(_YOUTUBE, r"/(?:live|shorts)/(?P<id>[\w-]+)/?\?", _VIDEO_OF_YOUTUBE),
    _kind(_YOUTUBE - {"www.youtube.com"}, r"/embed/(?P<id>[\w-]+)/?\?", _VIDEO_OF_YOUTUBE),
    _kind({"youtu.be", "www.youtu.be"}, r"/(?P<id>[\w-]+)/?\?", _VIDEO_OF_YOUTUBE),
    _kind(
        _VK, r".*?[/=]video(?P<owner>-?\d+)_(?P<id>\d+)", "https://vk.com/video_ext.php?oid={owner}&id={id}"
    ),
    _kind(
        {"rutube.ru", "www.rutube.ru", "m.rutube.ru"},
        r"/(?:live/)?video/private/(?P<id>\w+)/?\?(?:.*&)?p=(?P<key>[\w-]+)",
        "https://rutube.ru/play/embed/{id}/?p={key}",
    ),
    _kind(
        {"rutube.ru", "www.rutube.ru", "m.rutube.ru"},
        r"/(?:(?:live/)?video|shorts)/(?P<id>\w+)/?\?",
        "https://rutube.ru/play/embed/{id}",
    ),
    _kind(
        {"vimeo.com", "www.vimeo.com"},
        r"/(?P<id>\d+)/(?P<key>\w+)/?\?",
        "https://player.vimeo.com/video/{id}?h={key}",
    ),
    _kind({"vimeo.com", "www.vimeo.com"}, r"/(?P<id>\d+)/?\?", "https://player.vimeo.com/video/{id}"),
    _kind(
        {"kinescope.io", "www.kinescope.io"},
        r"/(?!embed\b)(?P<id>[\w-]+)/?\?",
        "https://kinescope.io/embed/{id}",
    ),
)


def framed(address: str) -> str:
    """Where the same is shown in a frame; an address of no known page stays as it is. Raises ValueError."""
    parts = urlsplit(address)
    for kind in KINDS if parts.scheme in ("http", "https") else ():
        match = kind.page.match(f"{parts.path}?{parts.query}")
        if match and parts.hostname in kind.hosts:
            return kind.framed.format(**match.groupdict()) + _start(parts, kind)
    return address


def _start(parts: SplitResult, kind: Copied) -> str:
    """YouTube's start time: `t=1m30s` of a page is `start=90` of its player."""
    asked = parse_qs(parts.query)
    said = _DURATION.fullmatch((asked.get("t") or asked.get("start") or [""])[0])
    if kind.framed != _VIDEO_OF_YOUTUBE or said is None:
        return ""
    hours, minutes, seconds = (int(number or 0) for number in said.groups())
    start = hours * 3600 + minutes * 60 + seconds
    return f"?start={start}" if start else ""
