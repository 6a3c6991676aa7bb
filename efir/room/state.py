"""The room's state: one small object, the same on the stream and in the API."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from efir.lib import clock
from efir.room.chat import framed_chat
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

COARSE_ABOVE = 200


def state_of(webinar: Webinar, viewers: int) -> dict[str, Any]:
    """What a viewer may know. The player's and the chat's addresses are not there before the start."""
    state: dict[str, Any] = {
        "webinar_id": webinar.pk,
        "status": webinar.status,
        "cta_visible": webinar.cta_visible,
        "version": webinar.version,
        "server_time": clock.iso(clock.now()),
        "viewers": rounded_count(viewers),
        "withdrawn": webinar.withdrawn,
        "words": content_hash(webinar),
        "starts_at": clock.iso(webinar.starts_at) if webinar.starts_at else None,
        "started_at": clock.iso(webinar.started_at) if webinar.started_at else None,
    }
    if webinar.state in (Status.LIVE, Status.PAUSED):
        state |= {"player_url": webinar.player_url, "chat_url": framed_chat(webinar.chat_url)}
    return state


def content_hash(webinar: Webinar) -> str:
    """A mark of what the page says of the webinar: where it is another, viewers read the page anew."""
    starts_at = clock.iso(webinar.starts_at) if webinar.starts_at else ""
    words = (webinar.title, webinar.speaker_name, webinar.description, starts_at, webinar.time_zone)
    return hashlib.sha256(repr((*words, webinar.poster_id)).encode()).hexdigest()[:12]


def rounded_count(viewers: int) -> int:
    """The count as it is up to 200, above that rounded down to tens or hundreds, so that it moves seldom."""
    if viewers <= COARSE_ABOVE:
        return viewers
    step = 10 if viewers < 1000 else 100
    return viewers - viewers % step


def encode(state: dict[str, Any]) -> bytes:
    """The state as one server-sent event."""
    return f"event: state\ndata: {json.dumps(state, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
