"""The room's media playlists (RFC 8216): the last minute of a live webinar, in full, smaller, or the sound only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import F, Q, QuerySet, Value

from efir.broadcast import media
from efir.broadcast.models import LowSegment, Segment
from efir.lib import clock

# The listed time: a player that lost its connection for half a minute continues without a gap.
WINDOW_S = 60.0
# How long after its time a segment's address expires. It is the same for all viewers, so that caches can store it.
ADDRESS_VALID = timedelta(minutes=5)
# The initialization segment is fetched once, and needed as long as its container goes on.
INIT_VALID = timedelta(hours=48)
FIELDS = (
    "id",
    "webinar_id",
    "name",
    "init",
    "audio_name",
    "audio_init",
    "starts_at",
    "duration_s",
    "media_start",
    "live_number",
    "live_break",
    "created_at",
)


class Rendition(StrEnum):
    """The playlists of a webinar: the full picture, the smaller picture (`EFIR_LOW_RUNG`), and the sound only."""

    LIVE = "live"
    LOW = "low"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class ListedSegment:
    """The columns of a segment (`FIELDS`) that playlists and the signal need."""

    id: int
    webinar_id: int
    name: str
    init: str
    audio_name: str
    audio_init: str
    starts_at: datetime
    duration_s: float
    media_start: float
    live_number: int
    live_break: int
    created_at: datetime


def read_new(last_ids: Mapping[int, int], *, low: bool = False) -> list[ListedSegment]:
    """Return the listed segments that are newer than these, by webinar id; `low`: of the lower rung.

    Each webinar has a last id of its own: of two webinars the later id may be committed first.
    """
    newer = [Q(webinar_id=webinar_id, id__gt=last_id) for webinar_id, last_id in last_ids.items()]
    rows = _listed(low).filter(reduce(or_, newer)).order_by("id")
    return [ListedSegment(*row) for row in rows.values_list(*FIELDS)]


def read_listed(webinar_ids: Iterable[int], *, low: bool = False) -> list[ListedSegment]:
    """Return the segments of these webinars that may still be listed; `low`: of the lower rung."""
    rows = _listed(low)
    # A second of video is one segment or less: these are enough for a minute of each webinar.
    found: list[ListedSegment] = []
    for webinar_id in webinar_ids:
        latest = rows.filter(webinar_id=webinar_id).order_by("-live_number")
        found += [ListedSegment(*row) for row in latest.values_list(*FIELDS)[: int(2 * WINDOW_S)]]
    return sorted(found, key=lambda segment: segment.id)


def _listed(low: bool) -> QuerySet[Any]:
    if not low:
        return Segment.objects.filter(live_number__isnull=False)
    times = {name: F(f"segment__{name}") for name in ("starts_at", "duration_s", "media_start")}
    return LowSegment.objects.annotate(audio_name=Value(""), audio_init=Value(""), **times)


def window(segments: Sequence[ListedSegment]) -> list[ListedSegment]:
    """Return the last minute of these segments, which are in order."""
    listed: list[ListedSegment] = []
    total = 0.0
    for segment in reversed(segments):
        if listed and total + segment.duration_s > WINDOW_S:
            break
        listed.append(segment)
        total += segment.duration_s
    return listed[::-1]


def media_playlist(segments: Sequence[ListedSegment], *, audio: bool = False) -> str:
    """Return the playlist of these segments; `audio`: of their sound alone."""
    target = max(1, *(round(segment.duration_s) for segment in segments))
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target}",
        f"#EXT-X-MEDIA-SEQUENCE:{segments[0].live_number}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{segments[0].live_break}",
    ]
    previous: ListedSegment | None = None
    listed_init = ""
    for segment in segments:
        is_break = previous is not None and previous.live_break != segment.live_break
        if is_break:
            lines.append("#EXT-X-DISCONTINUITY")
        name, init = segment.name, segment.init
        if audio and segment.audio_name:
            name, init = segment.audio_name, segment.audio_init
        if init != listed_init or is_break:
            began = segment.starts_at - timedelta(seconds=segment.media_start)
            address = media.url_of(init, began.replace(minute=0, second=0, microsecond=0) + INIT_VALID)
            lines.append(f'#EXT-X-MAP:URI="{address}"')
            listed_init = init
        if previous is None or is_break:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_millis(segment.starts_at)}")
        lines.append(f"#EXTINF:{segment.duration_s:.5f},")
        lines.append(media.url_of(name, segment.starts_at + ADDRESS_VALID))
        previous = segment
    return "\n".join(lines) + "\n"


def _millis(moment: datetime) -> str:
    return clock.iso(moment.replace(microsecond=moment.microsecond // 1000 * 1000))
