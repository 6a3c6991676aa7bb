"""Processes are killed on air: every accepted frame reaches the segments exactly once."""

from __future__ import annotations

import os
import signal
import time

import httpx
import pytest

from tests.support.processes import child_of
from tests.support.recorder import record
from tests.support.sender import Player, Sender, own_webinar_on_air
from tests.support.site import Site, Visitor, eventually, running_site
from tests.tiers import on_postgresql

# As a browser sends it, as an encoder does, and WebM: each is resumed in its own way.
RECORDINGS = {
    "mp4": record(seconds=12),
    "webm": record("webm", 12, gop_s=0.5),
    "flv": record("flv", 12, audio="aac", b_frames=2),
}
FRAMES = 360
ON_POSTGRESQL = on_postgresql()


@pytest.fixture
def site(tmp_path):
    with running_site(tmp_path, *(("worker", "web") if ON_POSTGRESQL else ())) as site:
        yield site


@pytest.fixture
def speaker(site):
    return Visitor(site, "speaker")


@pytest.fixture
def on_air(site, speaker):
    return own_webinar_on_air(speaker)


def segments(site: Site, webinar: int) -> int:
    return site.count(f"broadcast_segment WHERE webinar_id = {webinar}")


def send_until_accepted(sender: Sender, chunk: bytes) -> None:
    """Send as the page does: repeat until a response arrives."""

    def accepted() -> bool:
        try:
            return sender.put(sender.n, chunk).status_code == 204
        except httpx.TransportError:
            return False

    eventually(accepted)
    sender.n += 1


def all_frames(site: Site, player: Player) -> None:
    """Wait until nothing is left to cut, and return the number of frames."""
    eventually(lambda: not site.count("broadcast_broadcastsession WHERE NOT finished"))
    eventually(lambda: player.read() and player.frames() >= FRAMES)
    assert player.frames() == FRAMES
    assert site.count("broadcast_chunk") == 0


@pytest.mark.skipif(ON_POSTGRESQL, reason="there are more processes there: see the next tests")
@pytest.mark.parametrize("kind", RECORDINGS)
def test_killed_server_keeps_what_it_accepted(site, speaker, on_air, kind):
    chunks = RECORDINGS[kind]
    sender, player = Sender(speaker, on_air), Player(speaker, on_air)
    kills = {len(chunks) * part // 3 for part in (1, 2)}
    for number, chunk in enumerate(chunks):
        send_until_accepted(sender, chunk)
        if number in kills:
            time.sleep(0.05 * (number % 7))  # at different steps of the segments' way
            site.kill(site.processes[-1])
            site.start("serve")
    sender.end()
    all_frames(site, player)


# Which process is killed, and what it is fed with: `serve` has every role in it, and above each container was in it.
VICTIMS = (
    [("web", "mp4"), ("worker", "webm"), ("cutter", "flv")]
    if ON_POSTGRESQL
    else [("cutter", kind) for kind in RECORDINGS]
)


@pytest.mark.parametrize("case", VICTIMS, ids="-".join)
def test_no_process_is_needed_for_what_is_accepted(site, speaker, on_air, case, record_property):
    victim, kind = case
    chunks = RECORDINGS[kind]
    sender, player = Sender(speaker, on_air), Player(speaker, on_air)
    running = dict(zip(("worker", "web"), site.processes, strict=False))
    kills = {len(chunks) * part // 4 for part in (1, 2, 3)}
    made = 0
    for number, chunk in enumerate(chunks):
        send_until_accepted(sender, chunk)
        if number not in kills:
            continue
        made = eventually(lambda made=made: (now := segments(site, on_air)) > made and now)
        if victim == "cutter":
            os.kill(eventually(lambda: child_of(site, "efir.broadcast.segment_process")), signal.SIGKILL)
        else:
            site.kill(running[victim])
            running[victim] = site.start(victim, wait=False)
    sender.end()
    all_frames(site, player)
    record_property("kills, frames sent, frames kept", (len(kills), FRAMES, player.frames()))


@pytest.mark.skipif(not ON_POSTGRESQL, reason="two workers need PostgreSQL")
@pytest.mark.parametrize("kind", RECORDINGS)
def test_another_worker_takes_over(site, speaker, on_air, kind, record_property):
    chunks = RECORDINGS[kind]
    first = site.processes[0]
    sender, player = Sender(speaker, on_air), Player(speaker, on_air)
    half = len(chunks) // 2
    sender.send(chunks[:half])
    made = eventually(lambda: segments(site, on_air) >= 3 and segments(site, on_air))
    site.start("worker")
    site.kill(first)
    killed_at = time.monotonic()
    sender.send(chunks[half : half + len(chunks) // 4])
    eventually(lambda: segments(site, on_air) > made + 1)
    taken_s = time.monotonic() - killed_at
    record_property("seconds until segments came again", round(taken_s, 1))
    # The lease lasts 3 s; the rest is for a machine that is much slower.
    assert taken_s < 30
    sender.send(chunks[half + len(chunks) // 4 :])
    sender.end()
    all_frames(site, player)


@pytest.mark.skipif(not ON_POSTGRESQL, reason="two web processes need PostgreSQL")
def test_sender_at_one_process_and_viewer_at_another(site, speaker, on_air):
    other = site.beside()
    other.start("web")
    try:
        player = Player(speaker.at(other), on_air)
        sender = Sender(speaker, on_air)
        with speaker.at(other).watching(on_air) as stream:
            sender.send(RECORDINGS["mp4"])
            stream.until(signal=True)
        sender.end()
        all_frames(site, player)
    finally:
        other.stop()
