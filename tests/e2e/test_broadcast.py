"""The own broadcast from the sender's chunks to the viewer's frames, over HTTP."""

from __future__ import annotations

import re
from datetime import datetime

import httpx
import pytest

from tests.support.recorder import record
from tests.support.sender import Player, Sender, open_broadcast
from tests.support.site import Visitor, eventually

CHUNKS = record(seconds=6)


@pytest.fixture
def webinar(cast):
    return cast.webinar(video="own", player_url="")


@pytest.fixture
def on_air(webinar, speaker):
    assert speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200
    return webinar


@pytest.fixture
def viewer(cast):
    return cast.candidate()[1]


@pytest.mark.smoke
def test_every_frame_reaches_the_viewer(on_air, speaker, viewer):
    assert viewer.get(f"/account/webinar_room/{on_air}/video/live.m3u8").status_code == 404
    sender = Sender(speaker, on_air)
    assert sender.opened.status_code == 201
    assert set(sender.opened.json()) == {"session", "chunk_url", "max_chunk_bytes"}
    sender.send(CHUNKS)
    assert sender.end().status_code == 204
    player = Player(viewer, on_air)
    text = player.until(6)
    assert player.frames() == 180
    assert "#EXT-X-TARGETDURATION:1\n" in text
    moment = re.findall(r"PROGRAM-DATE-TIME:(\S+)", text)[0]
    assert datetime.fromisoformat(moment).tzinfo is not None
    sound = Player(viewer, on_air, "audio.m3u8")
    assert len(re.findall("EXTINF", sound.until(6))) == 6
    answer = viewer.post(f"/account/webinar_room/{on_air}/watch").json()
    assert (answer["video"], answer["url"]) == ("own", player.path)
    assert viewer.get(f"/account/webinar_room/{on_air}/video/low.m3u8").status_code == 404


def test_state_tells_the_signal(on_air, speaker, viewer):
    with viewer.watching(on_air) as stream:
        assert (stream.state["video"], stream.state["signal"]) == ("own", False)
        Sender(speaker, on_air).send(CHUNKS)
        stream.until(signal=True)
        eventually(lambda: stream.state["signal"] is False)


def test_codes_of_the_interface(on_air, speaker, cast):
    sender = Sender(speaker, on_air)
    assert sender.put(0, b"nothing that anybody records").status_code == 422
    assert sender.put(0, CHUNKS[0]).status_code == 204
    assert sender.put(0, CHUNKS[0]).status_code == 204
    gap = sender.put(2, CHUNKS[2])
    assert (gap.status_code, gap.json()) == (409, {"error": "broadcast_gap", "expected": 1})
    assert sender.put("999999999", b"?").status_code == 409
    largest = sender.opened.json()["max_chunk_bytes"]
    assert sender.put(1, bytes(largest + 1)).status_code == 413
    assert sender.put(1, CHUNKS[1]).status_code == 204
    admin = Visitor(cast.site, "admin")
    other = admin.http.put(f"{sender.chunk_url}2", content=CHUNKS[2])
    assert other.status_code == 410
    assert cast.candidate()[1].http.put(f"{sender.chunk_url}2", content=CHUNKS[2]).status_code == 403
    foreign = {"Origin": "https://evil.example"}
    assert speaker.http.put(f"{sender.chunk_url}2", content=CHUNKS[2], headers=foreign).status_code == 403

    taken = open_broadcast(admin, on_air, {"mime": "video/mp4", "take_over": False})
    assert (taken.status_code, taken.json()["error"]) == (409, "broadcast_taken")
    assert open_broadcast(admin, on_air, {"mime": "video/mp4", "take_over": True}).status_code == 201
    gone = sender.put(2, CHUNKS[2])
    assert (gone.status_code, gone.json()) == (410, {"error": "broadcast_superseded"})

    assert open_broadcast(Visitor(cast.site), on_air, {}).status_code == 403
    assert open_broadcast(speaker, 999_999, {}).status_code == 404
    framed = open_broadcast(speaker, cast.webinar(), {})
    assert (framed.status_code, framed.json()["error"]) == (409, "broadcast_not_own")


def test_page_takes_over_its_own_earlier_session(on_air, speaker, cast):
    first = Sender(speaker, on_air)
    first.send(CHUNKS[:2])
    again = Sender(speaker, on_air)
    assert again.opened.status_code == 201
    assert first.put(2, CHUNKS[2]).status_code == 410
    elsewhere = Visitor(cast.site, "speaker")
    assert open_broadcast(elsewhere, on_air, {}).status_code == 409


def test_chunks_are_taken_after_the_stop(on_air, speaker):
    sender = Sender(speaker, on_air)
    sender.send(CHUNKS[:3])
    assert speaker.post(f"/admin_webinar/{on_air}/stop").status_code == 200
    sender.send(CHUNKS[3:4])
    over = open_broadcast(speaker, on_air, {})
    assert (over.status_code, over.json()["error"]) == (409, "broadcast_over")
    assert sender.end().status_code == 204
    assert sender.put(4, CHUNKS[4]).status_code == 410
    assert sender.end().status_code == 204


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("webm", {}),
        ("webm", {"audio": "aac", "gop_s": 0.5}),
        ("flv", {"audio": "aac", "b_frames": 2}),
        ("mp4", {"audio": "aac", "gop_s": 2.0}),
        ("mp4", {"audio": ""}),
    ],
)
def test_every_container_plays(on_air, speaker, viewer, kind, options):
    sender = Sender(speaker, on_air)
    sender.send(record(kind, 6, **options))
    sender.end()
    player = Player(viewer, on_air)
    eventually(lambda: player.read() and player.frames() == 180)


def test_new_container_starts_a_discontinuity(on_air, speaker, viewer):
    sender = Sender(speaker, on_air)
    sender.send(CHUNKS[:4])
    sender.send(record(seconds=3, size=(640, 360)))
    sender.end()
    player = Player(viewer, on_air)
    text = player.until(6)
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert text.count("#EXT-X-MAP") == 2
    assert player.frames() == 180


def test_nothing_is_listed_outside_live(webinar, speaker, viewer, cast):
    sender = Sender(speaker, webinar)
    sender.send(CHUNKS)
    eventually(lambda: cast.site.count(f"broadcast_segment WHERE webinar_id = {webinar}") >= 5)
    player = Player(viewer, webinar)
    assert player.read() == ""
    speaker.post(f"/admin_webinar/{webinar}/start")
    assert player.read() == ""
    Sender(speaker, webinar).send(CHUNKS)
    player.until(3)
    speaker.post(f"/admin_webinar/{webinar}/stop")
    eventually(lambda: player.read() == "")


def test_media_need_their_signature(on_air, speaker, viewer, cast):
    Sender(speaker, on_air).send(CHUNKS)
    player = Player(viewer, on_air)
    player.until(3)
    address = player.segments[0][1]
    answer = httpx.get(f"{cast.site.url}{address}")
    assert "immutable" in answer.headers["cache-control"]
    assert "set-cookie" not in answer.headers
    _, _, expires, signature, name = address.split("/", 4)
    for forged in (f"/media/{int(expires) + 60}/{signature}/{name}", f"/media/1/{signature}/{name}"):
        assert httpx.get(f"{cast.site.url}{forged}").status_code == 404
    guest = Visitor(cast.site)
    assert guest.get(player.path).status_code == 401
