"""A sender of the own broadcast and a viewer's player, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support.recorder import count_frames
from tests.support.site import Visitor, eventually


class Sender:
    """The studio's page: opens a session and puts chunks."""

    def __init__(self, speaker: Visitor, webinar: int, *, take_over: bool = False) -> None:
        self.speaker, self.webinar = speaker, webinar
        self.opened = self.open(take_over=take_over)
        self.n = 0

    def open(self, *, take_over: bool = False) -> httpx.Response:
        return open_broadcast(self.speaker, self.webinar, {"mime": "video/mp4", "take_over": take_over})

    @property
    def chunk_url(self) -> str:
        return str(self.opened.json()["chunk_url"])

    def put(self, n: int | str, data: bytes) -> httpx.Response:
        return self.speaker.http.put(f"{self.chunk_url}{n}", content=data)

    def send(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            answer = self.put(self.n, chunk)
            assert answer.status_code == 204, answer.text
            self.n += 1

    def end(self) -> httpx.Response:
        return self.speaker.http.post(f"{self.chunk_url}end")

    def until_past(self, segments: int) -> None:
        """Wait until so many segments are over: those of chunks that were sent at once lie ahead."""

        def is_past() -> bool:
            moment = f"{datetime.now(UTC) - timedelta(seconds=1):%Y-%m-%d %H:%M:%S}"
            rows = f"broadcast_segment WHERE webinar_id = {self.webinar} AND starts_at < '{moment}'"
            return self.speaker.site.count(rows) >= segments

        eventually(is_past)


def own_webinar_on_air(speaker: Visitor) -> int:
    """Create a webinar with the own broadcast, and start it."""
    form = {"title": "Эфир", "starts_at": "2030-01-01T10:00", "time_zone": "UTC", "length_min": "60"}
    answer = speaker.post("/admin_webinar/new/", video="own", **form)
    webinar = int(answer.headers["location"].strip("/").split("/")[-1])
    for action in ("publish", "start"):
        assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200
    return webinar


def open_broadcast(visitor: Visitor, webinar: int, body: dict[str, Any]) -> httpx.Response:
    headers = {"X-CSRFToken": visitor._csrf()}
    return visitor.http.post(f"/admin_webinar/{webinar}/broadcast", json=body, headers=headers)


class Player:
    """A player: reads the playlist, fetches each segment once, counts the frames."""

    def __init__(self, visitor: Visitor, webinar: int, playlist: str = "live.m3u8") -> None:
        self.visitor = visitor
        self.path = f"/account/webinar_room/{webinar}/video/{playlist}"
        self.segments: dict[int, list[str]] = {}

    def read(self) -> str:
        """Read the playlist; an empty text while there is nothing to play."""
        answer = self.visitor.get(self.path)
        if answer.status_code == 404:
            return ""
        assert answer.status_code == 200, answer.text
        number = int(re.findall(r"MEDIA-SEQUENCE:(\d+)", answer.text)[0])
        init = ""
        for line in answer.text.splitlines():
            if line.startswith("#EXT-X-MAP"):
                init = line.split('"')[1]
            elif line.startswith("/media/"):
                self.segments.setdefault(number, [init, line])
                number += 1
        return answer.text

    def until(self, count: int) -> str:
        """Read until this many segments have been listed."""
        return eventually(lambda: (text := self.read()) and len(self.segments) >= count and text)

    def frames(self) -> int:
        """Return how many frames all segments so far have, each container decoded by itself."""
        by_init: dict[str, list[str]] = {}
        for _, (init, name) in sorted(self.segments.items()):
            by_init.setdefault(init, []).append(name)
        return sum(
            count_frames([self.fetch(init), *map(self.fetch, names)]) for init, names in by_init.items()
        )

    def fetch(self, address: str) -> bytes:
        # Without a cookie: the address is all that it takes.
        answer = httpx.get(f"{self.visitor.site.url}{address}")
        assert answer.status_code == 200, (address, answer.status_code)
        return answer.content
