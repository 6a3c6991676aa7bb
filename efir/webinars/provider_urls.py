"""Map URLs that people copy from a browser to the URLs that show the same video or chat in a frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

_NO_COOKIE = frozenset({"www.youtube-nocookie.com", "youtube-nocookie.com"})
_YOUTUBE = _NO_COOKIE | {
    *("www.youtube.com", "youtube.com", "m.youtube.com", "music.youtube.com", "gaming.youtube.com")
}
_SHORT_YOUTUBE = frozenset({"youtu.be", "www.youtu.be"})
_STUDIO = frozenset({"studio.youtube.com"})
_VK = frozenset({"vk.com", "www.vk.com", "m.vk.com", "vk.ru", "vkvideo.ru", "www.vkvideo.ru", "m.vkvideo.ru"})
_VK_LIVE = frozenset({"live.vkvideo.ru", "live.vkplay.ru", "vkplay.live"})
_RUTUBE = frozenset({"rutube.ru", "www.rutube.ru", "m.rutube.ru"})
_VIMEO = frozenset({"vimeo.com", "www.vimeo.com"})
_KINESCOPE = frozenset({"kinescope.io", "www.kinescope.io"})
_YOUTUBE_VIDEO = "https://www.youtube.com/embed/{id}"
_YOUTUBE_CHAT = "https://www.youtube.com/live_chat?v={id}&embed_domain={host}"
_ID = re.compile(r"[\w-]+", re.ASCII)
# The part before a video's id if it is opened from a list.
_VIMEO_LIST = (
    r"(?:/channels/[\w-]+|/groups/[\w-]+/videos|/(?:showcase|album)/[\w-]+/video|/manage/videos|/videos?)?"
)
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


# The paths that each provider lets others frame; browsers refuse to frame its other pages.
_EMBEDS = {
    "www.youtube.com": r"/(embed/.|live_chat\?)",
    "www.youtube-nocookie.com": r"/embed/.",
    "vk.com": r"/video_ext\.php\?",
    "vkvideo.ru": r"/video_ext\.php\?",
    "rutube.ru": r"/(play/embed|live/chat)/.",
    "kinescope.io": r"/(embed|chat)/.",
    "player.vimeo.com": r"/video/.",
    "vimeo.com": r"/(event/\d+/(embed|chat)\b|live-chat/.|showcase/\d+/embed\b)",
    "live.vkvideo.ru": r"/(app/embed/.|[\w.-]+/only-chat\b)",
}
_PROVIDERS = (
    frozenset(_EMBEDS) | _YOUTUBE | _SHORT_YOUTUBE | _STUDIO | _VK | _VK_LIVE | _RUTUBE | _VIMEO | _KINESCOPE
)
_CHANNEL = re.compile(r"/(@|(channel|channels|c|user|u|person|video/person|club|public)(/|\d))")


@dataclass(frozen=True)
class ProviderPattern:
    """One kind of page: `page` matches the path, a question mark and the query; `template` is the URL to frame."""

    hosts: frozenset[str]
    page: re.Pattern[str]
    template: str


def _pattern(hosts: frozenset[str] | set[str], page: str, template: str) -> ProviderPattern:
    return ProviderPattern(frozenset(hosts), re.compile(page, re.ASCII), template)


PATTERNS = (
    _pattern(_YOUTUBE, r"/watch/?\?(?:.*&)?v=(?P<id>[\w-]+)", _YOUTUBE_VIDEO),
    _pattern(_YOUTUBE, r"/(?:live|shorts|v|e)/(?P<id>[\w-]+)(?:&[^?]*)?/?\?", _YOUTUBE_VIDEO),
    _pattern(
        _YOUTUBE - {"www.youtube.com", "www.youtube-nocookie.com"},
        r"/embed/(?P<id>[\w-]+)/?\?",
        _YOUTUBE_VIDEO,
    ),
    _pattern(_STUDIO, r"/video/(?P<id>[\w-]+)(?:/.*)?\?", _YOUTUBE_VIDEO),
    _pattern(_SHORT_YOUTUBE, r"/(?P<id>[\w-]+)/?\?", _YOUTUBE_VIDEO),
    _pattern(
        _VK,
        r".*?[/=](?:video|clip)(?P<owner>-?\d+)_(?P<id>\d+)",
        "https://vk.com/video_ext.php?oid={owner}&id={id}",
    ),
    _pattern(
        _VK - {"vk.com", "vkvideo.ru"},
        r"/video_ext\.php\?(?P<query>.+)",
        "https://vk.com/video_ext.php?{query}",
    ),
    _pattern(
        _RUTUBE,
        r"/(?:live/)?video/private/(?P<id>\w+)/?\?(?:.*&)?p=(?P<key>[\w-]+)",
        "https://rutube.ru/play/embed/{id}/?p={key}",
    ),
    _pattern(
        _RUTUBE,
        r"/(?:(?:live/)?video|shorts)/(?P<id>\w+)/?\?",
        "https://rutube.ru/play/embed/{id}",
    ),
    _pattern(_VIMEO, r"/event/(?P<id>\d+)(?:/embed)?/?\?", "https://vimeo.com/event/{id}/embed"),
    _pattern(
        _VIMEO,
        r"/event/(?P<id>\d+)(?:/embed)?/(?P<key>[0-9a-f]+)/?\?",
        "https://vimeo.com/event/{id}/embed/{key}",
    ),
    _pattern(
        _VIMEO,
        rf"{_VIMEO_LIST}/(?P<id>\d+)/(?P<key>\w+)/?\?",
        "https://player.vimeo.com/video/{id}?h={key}",
    ),
    _pattern(_VIMEO, rf"{_VIMEO_LIST}/(?P<id>\d+)/?\?", "https://player.vimeo.com/video/{id}"),
    _pattern(_VK_LIVE, r"/(?!app\b)(?P<id>[\w.-]+)/?\?", "https://live.vkvideo.ru/app/embed/{id}"),
    _pattern(
        _KINESCOPE,
        r"/(?!(?:embed|chat)\b)(?P<id>[\w-]+)/?\?",
        "https://kinescope.io/embed/{id}",
    ),
)


def embed_url(url: str) -> str:
    """Return the URL that shows the same video in a frame; an unknown URL stays as it is. Raises ValueError."""
    parts = urlsplit(url)
    found = _match(parts)
    if found is None:
        return url
    pattern, groups = found
    return pattern.template.format(**groups) + _start(parts, pattern)


def chat_embed_url(url: str, own_host: str) -> str:
    """Return the URL that shows a chat in a frame of `own_host`; an unknown URL stays as it is. Raises ValueError.

    A YouTube video becomes the chat beside it: https://developers.google.com/youtube/v3/live/guides/live-chat-embed
    """
    parts = urlsplit(url)
    found = _match(parts)
    if found and found[0].template == _YOUTUBE_VIDEO and "/embed/" not in parts.path:
        return _YOUTUBE_CHAT.format(host=own_host, **found[1])
    is_chat = parts.hostname in _YOUTUBE and parts.path in ("/live_chat", "/live_chat_replay")
    video_id = parse_qs(parts.query).get("v", [""])[0] if is_chat else ""
    return _YOUTUBE_CHAT.format(host=own_host, id=video_id) if _ID.fullmatch(video_id) else url


def is_unframable_page(url: str) -> bool:
    """Return whether it is a page of a known provider that browsers refuse to frame. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.port not in (None, 80, 443):
        return False
    embeds = _EMBEDS.get(parts.hostname or "")
    if embeds is None:
        return parts.hostname in _PROVIDERS
    return re.match(embeds, f"{parts.path}?{parts.query}") is None


def is_channel_page(url: str) -> bool:
    """Return whether it is the page of a channel or a group, which has many videos."""
    return _CHANNEL.match(urlsplit(url).path) is not None


def _match(parts: SplitResult) -> tuple[ProviderPattern, dict[str, str]] | None:
    for pattern in PATTERNS if parts.scheme in ("http", "https") else ():
        match = pattern.page.match(f"{parts.path}?{parts.query}")
        if match and parts.hostname in pattern.hosts:
            return pattern, match.groupdict()
    return None


def _start(parts: SplitResult, pattern: ProviderPattern) -> str:
    """Return YouTube's start time: `t=1m30s` of a page is `start=90` of its player."""
    query = parse_qs(parts.query)
    duration = _DURATION.fullmatch((query.get("t") or query.get("start") or [""])[0])
    if pattern.template != _YOUTUBE_VIDEO or duration is None:
        return ""
    hours, minutes, seconds = (int(number or 0) for number in duration.groups())
    start = hours * 3600 + minutes * 60 + seconds
    return f"?start={start}" if start else ""
