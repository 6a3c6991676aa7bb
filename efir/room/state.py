"""The room's state: one small object, the same on the event stream and in the API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from efir.lib import clock
from efir.webinars.embeds import chat_frame_url
from efir.webinars.lifecycle import Status, Video
from efir.webinars.models import Talk, Webinar

# Above this the exact number does not matter to viewers, and every change of it is a broadcast to everybody.
EXACT_UP_TO = 200


def state_of(webinar: Webinar, viewers: int) -> dict[str, Any]:
    """Return the state as JSON-ready data. The player's and the chat's URLs are not in it: `player_of` has them."""
    state = {
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
        "player_version": player_version(webinar),
        "video": webinar.video,
        "signal": has_signal(webinar),
        "talk": webinar.talk,
    }
    if settings.EFIR.low_rung:
        state["low"] = has_low(webinar)
    return state


# The functions that return whether a webinar's own picture arrives. The own broadcast registers them, because this
# package must not import it.
_signal_source: Callable[[Webinar], bool] | None = None
_low_source: Callable[[Webinar], bool] | None = None


def set_picture_sources(signal: Callable[[Webinar], bool], low: Callable[[Webinar], bool]) -> None:
    """Register the functions that return whether a live webinar's own picture is coming, and a smaller one of it.

    They must not block.
    """
    global _signal_source, _low_source  # set once, when the apps are ready
    _signal_source, _low_source = signal, low


def has_signal(webinar: Webinar) -> bool:
    """Return whether segments of the own broadcast are arriving; False outside live time and for other players."""
    if _signal_source is None or webinar.video != Video.OWN or webinar.state is not Status.LIVE:
        return False
    return _signal_source(webinar)


def has_low(webinar: Webinar) -> bool:
    """Return whether `low.m3u8` can be played: it is enabled, and its segments are arriving."""
    is_on_air = webinar.state in (Status.LIVE, Status.PAUSED)
    return _low_source is not None and webinar.video == Video.OWN and is_on_air and _low_source(webinar)


def player_of(webinar: Webinar) -> dict[str, str]:
    """Return the broadcast as the room shows it: the kind of player, its URL and the URL of the chat to frame."""
    own = f"/account/webinar_room/{webinar.pk}/video/live.m3u8"
    return {
        "video": webinar.video,
        "url": own if webinar.video == Video.OWN else webinar.player_url,
        "chat_url": chat_frame_url(webinar.chat_url) if webinar.talk == Talk.EMBED else "",
    }


def player_version(webinar: Webinar) -> str:
    """Return a digest that changes with `player_of`.

    It is keyed, so that it cannot be used to verify guessed addresses.
    """
    return salted_hmac("efir.room.player", repr(sorted(player_of(webinar).items()))).hexdigest()[:12]


def content_hash(webinar: Webinar) -> str:
    """Return a hash of what the room's page shows of the webinar; if it changes, viewers reload these parts."""
    starts_at = clock.iso(webinar.starts_at) if webinar.starts_at else ""
    words = (webinar.title, webinar.speaker_name, webinar.description, starts_at, webinar.time_zone)
    return hashlib.sha256(repr((*words, webinar.poster_id)).encode()).hexdigest()[:12]


def rounded_count(viewers: int) -> int:
    """Return the count, rounded down to tens above 200 and to hundreds from 1000 on, so that it changes rarely."""
    if viewers <= EXACT_UP_TO:
        return viewers
    step = 10 if viewers < 1000 else 100
    return viewers - viewers % step


def encode(state: dict[str, Any]) -> bytes:
    """Encode the state as one server-sent event."""
    return f"event: state\ndata: {json.dumps(state, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
