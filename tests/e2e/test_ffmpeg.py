"""A real ffmpeg sends to Efir: by RTMP, and its files through the interface of browsers."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.e2e.conftest import Cast
from tests.support.ports import free_port
from tests.support.sender import Player, Sender
from tests.support.site import Visitor, eventually, running_site

FFMPEG = shutil.which("ffmpeg")
MISSING = "ffmpeg is not here: SKIPPED what it sends. To get it: apt-get install ffmpeg"
SECONDS, FPS = 6, 25
INPUT = [
    *("-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={FPS}:duration={SECONDS}"),
    *("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=44100:duration={SECONDS}"),
]
# Its own defaults, frames that refer to later ones included, but for the rate of key frames.
VIDEO = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", str(FPS)]
FILES = {
    "mp4": ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"],
    "webm": ["-c:a", "libopus", "-f", "matroska", "-live", "1"],
    "flv": ["-c:a", "aac", "-flvflags", "no_duration_filesize", "-f", "flv"],
}
CHUNK = 20_000

pytestmark = pytest.mark.skipif(not FFMPEG and os.environ.get("CI") != "true", reason=MISSING)


@pytest.fixture(scope="module")
def own_cast(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("ffmpeg"), EFIR_RTMP_PORT=str(free_port())) as site:
        site.add("partner", "partner")
        yield Cast(site, Visitor(site, "speaker"), None)


@pytest.fixture
def on_air(own_cast):
    webinar = own_cast.webinar(video="own", player_url="")
    assert own_cast.speaker.post(f"/admin_webinar/{webinar}/start").status_code == 200
    return webinar


def all_frames_come(cast: Cast, webinar: int) -> None:
    player = Player(cast.speaker, webinar)
    unfinished = f"broadcast_broadcastsession WHERE webinar_id = {webinar} AND NOT finished"
    eventually(lambda: player.read() and not cast.site.count(unfinished))
    player.read()
    assert player.frames() == SECONDS * FPS


def test_ffmpeg_sends_by_rtmp(own_cast, on_air):
    accept = {"Accept": "application/json"}
    given = own_cast.speaker.post(f"/admin_webinar/{on_air}/stream_key", headers=accept).json()
    address = f"{given['address']}/{given['key']}"
    words = [FFMPEG, "-v", "error", "-re", *INPUT, *VIDEO, "-c:a", "aac", "-f", "flv", address]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    all_frames_come(own_cast, on_air)


@pytest.mark.parametrize("kind", FILES)
def test_ffmpegs_files_are_taken_in_any_pieces(own_cast, on_air, kind):
    words = [FFMPEG, "-v", "error", *INPUT, *VIDEO, *FILES[kind], "pipe:1"]
    made = subprocess.run(words, capture_output=True, timeout=100, check=True).stdout
    sender = Sender(own_cast.speaker, on_air)
    sender.send(made[at : at + CHUNK] for at in range(0, len(made), CHUNK))
    assert sender.end().status_code == 204
    all_frames_come(own_cast, on_air)
