"""The lower rung from the sender's chunks to the viewer's frames, where the operator allows it."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

from tests.support.processes import child_of
from tests.support.recorder import record
from tests.support.sender import Player, Sender
from tests.support.site import Site, Visitor, eventually, fresh_database

CHUNKS = record(seconds=30)


@pytest.fixture
def site(tmp_path):
    with fresh_database() as url:
        site = Site(tmp_path, url, EFIR_LOW_RUNG="1")
        try:
            site.start()
            site.add("speaker", "speaker")
            yield site
        finally:
            site.stop()


@pytest.fixture
def speaker(site):
    return Visitor(site, "speaker")


@pytest.fixture
def on_air(speaker):
    form = {"title": "Эфир", "starts_at": "2030-01-01T10:00", "time_zone": "UTC", "length_min": "60"}
    answer = speaker.post("/admin_webinar/new/", video="own", **form)
    webinar = int(answer.headers["location"].strip("/").split("/")[-1])
    for action in ("publish", "start"):
        assert speaker.post(f"/admin_webinar/{webinar}/{action}").status_code == 200
    return webinar


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


def test_killed_encoder_costs_only_the_lower_rung(site, speaker, on_air):
    full, low = Player(speaker, on_air), Player(speaker, on_air, "low.m3u8")
    sender = Sender(speaker, on_air)
    sender.send(CHUNKS[:4])
    low.until(2)
    os.kill(eventually(lambda: child_of(site, "efir.broadcast.low_process")), signal.SIGKILL)
    eventually(lambda: "broadcast_low_process_died" in site.log.read_text())
    # Another process follows after some seconds. What came meanwhile is encoded if it is not too late by then.
    low.read()
    made = len(low.segments)
    for chunk in CHUNKS[4:]:
        sender.send([chunk])
        time.sleep(1)
        if low.read() and len(low.segments) > made:
            break
    low.until(made + 1)
    sender.end()
    eventually(lambda: not site.count("broadcast_broadcastsession WHERE NOT finished"))
    full.read()
    assert full.frames() == 30 * (sender.n - 1)


def test_restarted_server_goes_on_with_both_rungs(site, speaker, on_air):
    full, low = Player(speaker, on_air), Player(speaker, on_air, "low.m3u8")
    sender = Sender(speaker, on_air)
    sender.send(CHUNKS[:5])
    low.until(3)
    site.kill(site.processes[-1])
    site.start()
    sender.send(CHUNKS[5:10])
    text = low.until(6)
    assert low.frames() == 30 * len(low.segments)
    # What was being encoded is left out, or was ready just before.
    assert text.count("#EXT-X-DISCONTINUITY\n") <= 2
    sender.end()
    eventually(lambda: full.read() and len(full.segments) >= 9)
    rows = f"broadcast_lowsegment WHERE webinar_id = {on_air}"
    numbers = [row[0] for row in _rows(site, f"SELECT live_number FROM {rows} ORDER BY id")]
    assert numbers == list(range(len(numbers)))


def _rows(site: Site, query: str) -> list[tuple[int]]:
    with site.database() as connection:
        return list(connection.execute(query).fetchall())
