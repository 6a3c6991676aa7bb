"""The lower rung from the sender's chunks to the viewer's frames, where the operator allows it."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from tests.support.processes import child_of
from tests.support.recorder import record
from tests.support.sender import Player, Sender, own_webinar_on_air
from tests.support.site import Site, Visitor, eventually, running_site
from tests.tiers import on_postgresql

CHUNKS = record(seconds=30)
ON_POSTGRESQL = on_postgresql()


@pytest.fixture
def site(tmp_path):
    with running_site(tmp_path, *(("worker", "web") if ON_POSTGRESQL else ()), EFIR_LOW_RUNG="1") as site:
        yield site


@pytest.fixture
def speaker(site):
    return Visitor(site, "speaker")


@pytest.fixture
def on_air(speaker):
    return own_webinar_on_air(speaker)


def dates(playlist: str) -> list[str]:
    return re.findall(r"PROGRAM-DATE-TIME:(\S+)", playlist)


def test_both_rungs_have_the_same_times(site, speaker, on_air):
    full, low = Player(speaker, on_air), Player(speaker, on_air, "low.m3u8")
    assert speaker.get(low.path).status_code == 404
    assert Visitor(site).get(low.path).status_code == 401
    sender = Sender(speaker, on_air)
    with speaker.watching(on_air) as stream:
        assert stream.state["low"] is False
        sender.send(CHUNKS[:4])
        stream.until(low=True)
        sender.send(CHUNKS[4:7])
    smaller, whole = low.until(5), full.until(5)
    assert dates(smaller) == dates(whole)
    count = min(len(low.segments), len(full.segments))
    lengths = [re.findall(r"EXTINF:(\S+),", text)[:count] for text in (smaller, whole)]
    assert lengths[0] == lengths[1]
    assert low.frames() == 30 * len(low.segments)


def send_until_more(sender: Sender, low: Player) -> None:
    """Send a chunk a second until the lower rung goes on: on a slow machine some of it is left out first."""
    low.read()
    wanted = len(low.segments) + 2
    for chunk in CHUNKS[sender.n :]:
        sender.send([chunk])
        time.sleep(1)
        if low.read() and len(low.segments) >= wanted:
            break
    low.until(wanted)
    assert low.frames() == 30 * len(low.segments)


def full_is_whole(site: Site, sender: Sender, full: Player) -> None:
    """End the broadcast and count what was accepted; the first chunk is the header."""
    sender.end()
    eventually(lambda: not site.count("broadcast_broadcastsession WHERE NOT finished"))
    full.until(sender.n - 1)
    assert full.frames() == 30 * (sender.n - 1)


def test_killed_encoder_costs_only_the_lower_rung(site, speaker, on_air):
    full, low = Player(speaker, on_air), Player(speaker, on_air, "low.m3u8")
    sender = Sender(speaker, on_air)
    sender.send(CHUNKS[:4])
    low.until(2)
    os.kill(eventually(lambda: child_of(site, "efir.broadcast.low_process")), signal.SIGKILL)
    eventually(lambda: "broadcast_low_process_died" in site.log.read_text())
    send_until_more(sender, low)
    full_is_whole(site, sender, full)


@pytest.mark.skipif(ON_POSTGRESQL, reason="there are two processes there: see the next test")
def test_restarted_server_goes_on_with_both_rungs(site, speaker, on_air):
    full, low = Player(speaker, on_air), Player(speaker, on_air, "low.m3u8")
    sender = Sender(speaker, on_air)
    sender.send(CHUNKS[:5])
    low.until(3)
    site.kill(site.processes[-1])
    site.start()
    send_until_more(sender, low)
    full_is_whole(site, sender, full)
    numbers = _low_numbers(site, on_air)
    assert numbers == list(range(len(numbers)))


@pytest.mark.skipif(not ON_POSTGRESQL, reason="two workers need PostgreSQL")
def test_another_worker_goes_on_with_both_rungs(site, speaker, on_air):
    full, low = Player(speaker, on_air), Player(speaker, on_air, "low.m3u8")
    first = site.processes[0]
    sender = Sender(speaker, on_air)
    sender.send(CHUNKS[:6])
    low.until(3)
    site.start("worker")
    site.kill(first)
    send_until_more(sender, low)
    full_is_whole(site, sender, full)


def _low_numbers(site: Site, webinar: int) -> list[int]:
    with site.database() as connection:
        query = f"SELECT live_number FROM broadcast_lowsegment WHERE webinar_id = {webinar} ORDER BY id"
        return [row[0] for row in connection.execute(query).fetchall()]
