"""From an encoder's RTMP to a recording in Telegram, with real processes."""

from __future__ import annotations

import re
from io import BytesIO
from itertools import pairwise
from typing import Any

import av
import httpx
import pytest

from efir.fake_botapi import FakeBotApi, running
from tests.e2e.conftest import Cast
from tests.support import encoder
from tests.support.ports import free_port
from tests.support.recorder import record
from tests.support.sender import Player, Sender
from tests.support.site import TOKEN, Visitor, eventually, running_site

ENCODED_S = 60
MORE = ("", " AND live_number IS NOT NULL")


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Any:
    """Run an installation that accepts RTMP, with a fake Bot API of its own."""
    fake_bot_api = FakeBotApi(tokens={TOKEN})
    with (
        running(fake_bot_api) as address,
        running_site(
            tmp_path_factory.mktemp("studio"),
            EFIR_TELEGRAM_API=address,
            EFIR_TELEGRAM_TOKEN=TOKEN,
            EFIR_RTMP_PORT=str(free_port()),
        ) as site,
    ):
        site.add("partner", "partner")
        yield Cast(site, Visitor(site, "speaker"), fake_bot_api)


def json_of(speaker: Visitor, webinar: int) -> dict[str, Any]:
    answer = speaker.get(f"/admin_webinar/{webinar}/recording")
    assert answer.status_code == 200, answer.text
    return answer.json()


def key_of(speaker: Visitor, webinar: int) -> str:
    answer = speaker.post(f"/admin_webinar/{webinar}/stream_key", headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["address"].startswith("rtmp://127.0.0.1:")
    return str(answer.json()["key"])


def measured(data: bytes) -> tuple[int, float]:
    """Return how many frames an MP4 has, and the seconds of its sound."""
    with av.open(BytesIO(data)) as file:
        frames = sum(1 for _ in file.decode(video=0))
    with av.open(BytesIO(data)) as file:
        sound = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
    return frames, sound


def on_air(cast: Cast, webinar: int) -> None:
    assert cast.speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200


def stop(cast: Cast, webinar: int) -> None:
    assert cast.speaker.post(f"/admin_webinar/{webinar}/stop").status_code == 200


def ready(cast: Cast, webinar: int) -> dict[str, Any]:
    return eventually(lambda: (found := json_of(cast.speaker, webinar))["state"] == "ready" and found)


def test_rtmp_becomes_a_recording_in_telegram(studio):
    webinar = studio.webinar(video="own", player_url="")
    studio.candidate(webinar=webinar)
    chat = 5000 + studio.number
    studio.link(Visitor(studio.site, "partner"), 900)
    key = key_of(studio.speaker, webinar)
    port = studio.site.environ["EFIR_RTMP_PORT"]
    segments = f"broadcast_segment WHERE webinar_id = {webinar}"
    assert json_of(studio.speaker, webinar) == {"state": "none", "seconds": 0, "url": None}
    with encoder.running(f"rtmp://127.0.0.1:{port}/live/{key}", ENCODED_S) as obs:
        eventually(lambda: studio.site.count(segments) >= 2 or obs.poll() is not None)
        on_air(studio, webinar)
        live = f"{segments} AND live_number IS NOT NULL"
        eventually(lambda: studio.site.count(live) >= 5)
        stop(studio, webinar)
        # The encoder goes on: what comes after the stop is not waited for.
        found = ready(studio, webinar)
        assert obs.poll() is None
    assert 4 <= found["seconds"] <= studio.site.count(live) + 1
    refused = studio.speaker.post(f"/admin_webinar/{webinar}/recording", own="false")
    assert refused.status_code == 400

    guest = httpx.Client()
    page = guest.get(found["url"])
    assert page.status_code == 200
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "/account/contacts/" in page.text
    video = guest.get(f"{found['url']}video.mp4")
    frames, sound = measured(video.content)
    assert abs(frames / 30 - found["seconds"]) < 0.5
    assert abs(sound - found["seconds"]) < 0.5
    part = guest.get(f"{found['url']}video.mp4", headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.content) == (206, video.content[:100])
    playlist = guest.get(f"{found['url']}video.m3u8").text
    assert playlist.endswith("#EXT-X-ENDLIST\n")
    names = re.findall(r"^/media/.*", playlist, re.MULTILINE)
    assert guest.get(f"{studio.site.url}{names[0]}").status_code == 200

    answer = studio.speaker.post(f"/admin_webinar/{webinar}/recording", own="true")
    assert (answer.status_code, answer.json()["state"]) == (200, "published")
    sent = eventually(lambda: [each for each in studio.received(chat) if "recordings/" in str(each)])
    own = re.findall(r"http://127\.0\.0\.1:\d+(/recordings/[\w-]+/)", str(sent[-1]))[0]
    assert own not in found["url"]
    assert guest.get(f"{studio.site.url}{own}video.mp4").content == video.content
    assert guest.get(f"{studio.site.url}{own[:-3]}x/").status_code == 404
    assert key not in studio.site.log.read_text()


def test_pause_is_not_in_the_recording(studio):
    webinar = studio.webinar(video="own", player_url="")
    key, port = key_of(studio.speaker, webinar), studio.site.environ["EFIR_RTMP_PORT"]
    every, live = (f"broadcast_segment WHERE webinar_id = {webinar}{more}" for more in MORE)

    def wait_for_more(rows: str) -> None:
        before = studio.site.count(rows)
        eventually(lambda: studio.site.count(rows) >= before + 4)

    with encoder.running(f"rtmp://127.0.0.1:{port}/live/{key}", ENCODED_S):
        on_air(studio, webinar)
        wait_for_more(live)
        assert studio.site.run("webinar", "pause", str(webinar)).returncode == 0
        wait_for_more(every)
        assert json_of(studio.speaker, webinar)["state"] == "none"
        assert studio.site.run("webinar", "resume", str(webinar)).returncode == 0
        wait_for_more(live)
        stop(studio, webinar)
        found = ready(studio, webinar)
    shown = columns(httpx.get(f"{found['url']}video.mp4").content)
    assert abs(len(shown) / 30 - found["seconds"]) < 0.5
    # The column moves by a pixel a frame: within a part none is missing, and between them lies the pause.
    jumps = [(after - before) % encoder.TURN for before, after in pairwise(shown)]
    assert len([jump for jump in jumps if jump != 1]) <= 1  # the pause may be a whole turn of the column
    assert httpx.get(f"{found['url']}video.m3u8").text.count("#EXT-X-DISCONTINUITY\n") == 1


def columns(data: bytes) -> list[int]:
    """Return where the bright column of the encoder's picture is in each frame."""
    found = []
    with av.open(BytesIO(data)) as file:
        for frame in file.decode(video=0):
            row = bytes(frame.planes[0])[: frame.width]
            bright = [at for at, light in enumerate(row) if light > 140]
            found.append(bright[0])
    return found


def test_refused_keys_and_a_returning_encoder(studio):
    webinar = studio.webinar(video="own", player_url="")
    port = studio.site.environ["EFIR_RTMP_PORT"]
    key = key_of(studio.speaker, webinar)
    on_air(studio, webinar)
    segments = f"broadcast_segment WHERE webinar_id = {webinar}"
    for turn in (1, 2):
        with encoder.running(f"rtmp://127.0.0.1:{port}/live/{key}", ENCODED_S):
            eventually(lambda turn=turn: studio.site.count(f"{segments} AND discontinuity") >= turn)
            before = studio.site.count(segments)
            eventually(lambda before=before: studio.site.count(segments) >= before + 3)
    with encoder.running(f"rtmp://127.0.0.1:{port}/live/{key}", ENCODED_S) as obs:
        eventually(lambda: studio.site.count(f"{segments} AND discontinuity") >= 3)
        renewed = key_of(studio.speaker, webinar)
        eventually(lambda: obs.poll() is not None)  # the old key is cut off
    assert renewed != key
    for wrong in (key, "nobody-has-this-key"):
        with encoder.running(f"rtmp://127.0.0.1:{port}/live/{wrong}", ENCODED_S) as obs:
            eventually(lambda obs=obs: obs.poll() is not None)
    stop(studio, webinar)
    found = ready(studio, webinar)
    frames, _ = measured(httpx.get(f"{found['url']}video.mp4").content)
    assert abs(frames / 30 - found["seconds"]) < 1
    assert httpx.get(f"{found['url']}video.m3u8").text.count("#EXT-X-DISCONTINUITY\n") >= 2


def test_ticked_box_publishes_without_a_press(studio):
    webinar = studio.webinar(video="own", player_url="", auto_publish="True")
    on_air(studio, webinar)
    sender = Sender(studio.speaker, webinar)
    sender.send(record(seconds=4))
    player = Player(studio.candidate()[1], webinar)
    player.until(3)
    sender.end()
    stop(studio, webinar)
    published = eventually(
        lambda: (found := json_of(studio.speaker, webinar))["state"] == "published" and found
    )
    assert httpx.get(published["url"]).status_code == 200
