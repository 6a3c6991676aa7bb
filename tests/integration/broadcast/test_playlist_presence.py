"""Requests of the playlist count as presence and watching, after an opening and with gaps up to 15 s."""

from __future__ import annotations

import asyncio

import pytest

from efir.broadcast.playlist_presence import PlaylistPresence
from efir.room.hub import RoomHub
from efir.room.models import Opening, PresenceInterval, WatchingInterval

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def viewer(make_webinar, make_person, clock, monkeypatch):
    """A webinar and a person, by id; the clock that nobody can set moves with the other one."""
    monkeypatch.setattr("efir.lib.clock.steady_s", lambda: clock().timestamp())
    return make_webinar("live", video="own", player_url="").pk, make_person().pk


async def play(viewer, clock, pauses):
    """Ask for the playlist, again after each of these pauses in seconds, and never again."""
    hub = RoomHub()
    presence = PlaylistPresence(hub)

    def wait(seconds):
        for _ in range(seconds):
            clock.move(1)
            hub.recorder.heartbeat()
            presence.sweep()

    for seconds in (0, *pauses):
        wait(seconds)
        presence.note(*viewer)
        await asyncio.gather(*presence._tasks)
    wait(20)
    await hub.recorder.flush()


def lengths(model, viewer):
    rows = model.objects.filter(webinar_id=viewer[0], person_id=viewer[1]).order_by("began_at")
    return [(row.ended_at - row.began_at).total_seconds() for row in rows]


@pytest.mark.parametrize("model", [PresenceInterval, WatchingInterval])
def test_gaps_up_to_fifteen_seconds_are_none(viewer, clock, model):
    Opening.objects.create(webinar_id=viewer[0], person_id=viewer[1], opened_at=clock())
    asyncio.run(play(viewer, clock, [1, 15, 2, 16, 3]))
    assert lengths(model, viewer) == [18, 3]


def test_nothing_counts_without_an_opening(viewer, clock):
    asyncio.run(play(viewer, clock, [1, 1]))
    assert lengths(WatchingInterval, viewer) == lengths(PresenceInterval, viewer) == []
