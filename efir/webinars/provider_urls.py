"""Addresses as people copy them from a browser, and the address of the same player that can be framed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

_YOUTUBE = frozenset({"www.youtube.com", "youtube.com", "m.youtube.com"})
_SHORT_YOUTUBE = frozenset({"youtu.be", "www.youtu.be"})
_STUDIO = frozenset({"studio.youtube.com"})
_VK = frozenset({"vk.com", "www.vk.com", "m.vk.com", "vk.ru", "vkvideo.ru", "www.vkvideo.ru", "m.vkvideo.ru"})
_RUTUBE = frozenset({"rutube.ru", "www.rutube.ru", "m.rutube.ru"})
_VIMEO = frozenset({"vimeo.com", "www.vimeo.com"})
_KINESCOPE = frozenset({"kinescope.io", "www.kinescope.io"})
_VIDEO_OF_YOUTUBE = "https://www.youtube.com/embed/{id}"
_CHAT_OF_YOUTUBE = "https://www.youtube.com/live_chat?v={id}&embed_domain={host}"
_ID = re.compile(r"[\w-]+", re.ASCII)
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


# What each provider lets others show in a frame; the rest of it are pages that browsers refuse to frame.
_EMBEDS = {
    "www.youtube.com": r"/(embed/.|live_chat\?)",
    "www.youtube-nocookie.com": r"/embed/.",
    "vk.com": r"/video_ext\.php\?",
    "vkvideo.ru": r"/video_ext\.php\?",
    "rutube.ru": r"/(play/embed|live/chat)/.",
    "kinescope.io": r"/(embed|chat)/.",
    "player.vimeo.com": r"/video/.",
}
_PROVIDERS = frozenset(_EMBEDS) | _YOUTUBE | _SHORT_YOUTUBE | _STUDIO | _VK | _RUTUBE | _VIMEO | _KINESCOPE
_CHANNEL = re.compile(r"/(@|(channel|channels|c|user|u|person|video/person|club|public)(/|\d))")


@dataclass(frozen=True)
class ProviderPattern:
    """One kind of page: `page` is matched against the path, a question mark and the query."""

    hosts: frozenset[str]
    page: re.Pattern[str]
    template: str


def _kind(hosts: frozenset[str] | set[str], page: str, template: str) -> ProviderPattern:
    return ProviderPattern(frozenset(hosts), re.compile(page, re.ASCII), template)


PATTERNS = (
    _kind(_YOUTUBE, r"/watch/?\?(?:.*&)?v=(?P<id>[\w-]+)", _VIDEO_OF_YOUTUBE),
    _kind(_YOUTUBE, r"/(?:live|shorts)/(?P<id>[\w-]+)/?\?", _VIDEO_OF_YOUTUBE),
    _kind(_YOUTUBE - {"www.youtube.com"}, r"/embed/(?P<id>[\w-]+)/?\?", _VIDEO_OF_YOUTUBE),
    _kind(_STUDIO, r"/video/(?P<id>[\w-]+)(?:/.*)?\?", _VIDEO_OF_YOUTUBE),
    _kind(_SHORT_YOUTUBE, r"/(?P<id>[\w-]+)/?\?", _VIDEO_OF_YOUTUBE),
    _kind(
        _VK,
        r".*?[/=](?:video|clip)(?P<owner>-?\d+)_(?P<id>\d+)",
        "https://vk.com/video_ext.php?oid={owner}&id={id}",
    ),
    _kind(
        _VK - {"vk.com", "vkvideo.ru"},
        r"/video_ext\.php\?(?P<query>.+)",
        "https://vk.com/video_ext.php?{query}",
    ),
    _kind(
        _RUTUBE,
        r"/(?:live/)?video/private/(?P<id>\w+)/?\?(?:.*&)?p=(?P<key>[\w-]+)",
        "https://rutube.ru/play/embed/{id}/?p={key}",
    ),
    _kind(
        _RUTUBE,
        r"/(?:(?:live/)?video|shorts)/(?P<id>\w+)/?\?",
        "https://rutube.ru/play/embed/{id}",
    ),
    _kind(
        _VIMEO,
        r"/(?P<id>\d+)/(?P<key>\w+)/?\?",
        "https://player.vimeo.com/video/{id}?h={key}",
    ),
    _kind(_VIMEO, r"/(?P<id>\d+)/?\?", "https://player.vimeo.com/video/{id}"),
    _kind(
        _KINESCOPE,
        r"/(?!(?:embed|chat)\b)(?P<id>[\w-]+)/?\?",
        "https://kinescope.io/embed/{id}",
    ),
)


def embed_url(address: str) -> str:
    """Where the same is shown in a frame; an address of no known page stays as it is. Raises ValueError."""
    parts = urlsplit(address)
    found = _match(parts)
    if found is None:
        return address
    kind, named = found
    return kind.template.format(**named) + _start(parts, kind)


def chat_embed_url(address: str, own_host: str) -> str:
    """The same for a chat: of a YouTube video it is the one beside it, shown to pages of `own_host` alone.

    https://developers.google.com/youtube/v3/live/guides/live-chat-embed. Raises ValueError.
    """
    parts = urlsplit(address)
    found = _match(parts)
    if found and found[0].template == _VIDEO_OF_YOUTUBE and "/embed/" not in parts.path:
        return _CHAT_OF_YOUTUBE.format(host=own_host, **found[1])
    beside = parse_qs(parts.query).get("v", [""])[0] if _is_youtube_chat(parts) else ""
    return _CHAT_OF_YOUTUBE.format(host=own_host, id=beside) if _ID.fullmatch(beside) else address


def _is_youtube_chat(parts: SplitResult) -> bool:
    return parts.hostname in _YOUTUBE and parts.path in ("/live_chat", "/live_chat_replay")


def is_unframable_page(address: str) -> bool:
    """Whether it is a page of a known provider that browsers refuse to frame. Raises ValueError."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or parts.port not in (None, 80, 443):
        return False
    embeds = _EMBEDS.get(parts.hostname or "")
    if embeds is None:
        return parts.hostname in _PROVIDERS
    return re.match(embeds, f"{parts.path}?{parts.query}") is None


def is_channel_page(address: str) -> bool:
    """Whether it is the page of a channel or a group, which has many videos."""
    return _CHANNEL.match(urlsplit(address).path) is not None


def _match(parts: SplitResult) -> tuple[ProviderPattern, dict[str, str]] | None:
    for kind in PATTERNS if parts.scheme in ("http", "https") else ():
        match = kind.page.match(f"{parts.path}?{parts.query}")
        if match and parts.hostname in kind.hosts:
            return kind, match.groupdict()
    return None


def _start(parts: SplitResult, kind: ProviderPattern) -> str:
    """YouTube's start time: `t=1m30s` of a page is `start=90` of its player."""
    asked = parse_qs(parts.query)
    said = _DURATION.fullmatch((asked.get("t") or asked.get("start") or [""])[0])
    if kind.template != _VIDEO_OF_YOUTUBE or said is None:
        return ""
    hours, minutes, seconds = (int(number or 0) for number in said.groups())
    start = hours * 3600 + minutes * 60 + seconds
    return f"?start={start}" if start else ""
