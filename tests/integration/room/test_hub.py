"""The rooms of one process: who is told what, and what a slow database may not do."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.models import AccessChange, Membership, Person
from efir.accounts.roles import assign_role
from efir.lib import clock
from efir.lib.concurrency import in_thread
from efir.room import hub as live_module
from efir.room import presence_store
from efir.room.hub import RoomHub
from efir.room.models import PresenceInterval
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.room.socket_viewer import SocketViewer
from efir.room.viewer import AsgiViewer
from efir.webinars.models import Webinar
from tests.conftest import SYSTEM, start, stop


def told(room) -> dict[str, object]:
    """What the room's viewers are told now."""
    return json.loads(room.message.decode().partition("data: ")[2])


def joined(rooms, webinar, viewer):
    """The room that the viewer is in now."""
    rooms.join(webinar, viewer)
    return rooms._rooms[webinar.pk]


@pytest.fixture
def before_and_after(make_webinar):
    """A webinar as two people read it, one before a change of status and one after."""

    def change(status, action):
        webinar = make_webinar(status)
        before = Webinar.objects.get(pk=webinar.pk)
        return before, action(webinar.pk, SYSTEM)

    return change


@pytest.mark.parametrize(
    ("status", "action", "now"), [("scheduled", start, "live"), ("live", stop, "finished")]
)
def test_who_comes_with_news_brings_it_to_everybody(before_and_after, status, action, now):
    before, after = before_and_after(status, action)

    async def scenario():
        rooms = RoomHub()
        waiting = AsgiViewer(1, "")
        room = joined(rooms, before, waiting)
        waiting.take()
        rooms.join(after, AsgiViewer(2, ""))
        return (
            told(room)["status"],
            waiting.take() == (room.message, now == "finished"),
            rooms._must_flush.is_set(),
        )

    assert asyncio.run(scenario()) == (now, True, True)


def test_a_reader_of_an_old_row_takes_nobody_back(before_and_after):
    before, after = before_and_after("scheduled", start)

    async def scenario():
        rooms = RoomHub()
        room = joined(rooms, after, AsgiViewer(1, ""))
        rooms.join(before, AsgiViewer(2, ""))
        return told(room)["status"]

    assert asyncio.run(scenario()) == "live"


def test_who_comes_after_the_end_is_not_present(before_and_after):
    _, after = before_and_after("live", stop)

    async def scenario():
        rooms = RoomHub()
        viewer = AsgiViewer(1, "")
        room = joined(rooms, after, viewer)
        count = rooms.count(after.pk)
        rooms.leave(viewer, after.finished_at)
        return count, room.has_ended

    assert asyncio.run(scenario()) == (0, True)


def wired(rooms, person_id):
    """A viewer on a bare connection, and the other end of it."""
    near, far = socket.socketpair()
    far.setblocking(False)
    return SocketViewer(person_id, "", rooms.wires, near.detach()), far


def test_who_brings_the_finish_to_a_waiting_room_hears_it_and_leaves(before_and_after):
    before, after = before_and_after("live", stop)

    async def scenario():
        rooms = RoomHub()
        (waiting, waits), (late, comes) = wired(rooms, 1), wired(rooms, 2)
        rooms.join(before, waiting)
        rooms.join(after, late)
        told = [b'"status":"finished"' in end.recv(65536) for end in (waits, comes)]
        return told, dict(rooms._streams), rooms._rooms, rooms.count(before.pk)

    assert asyncio.run(scenario()) == ([True, True], {}, {}, 0)


def test_who_takes_the_place_of_a_dead_line_is_in_the_room(before_and_after):
    before, after = before_and_after("scheduled", start)

    async def scenario():
        rooms = RoomHub()
        (dead, gone), (new, end) = wired(rooms, 1), wired(rooms, 1)
        rooms.join(before, dead)
        gone.close()
        rooms.join(after, new)
        joined = rooms._rooms[after.pk].viewers == {new}, rooms.count(after.pk)
        end.close()
        while rooms._rooms:
            await asyncio.sleep(0.01)
        return *joined, rooms.count(after.pk), dict(rooms._streams)

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == (True, 1, 0, {})


def test_those_who_are_there_hear_of_who_comes(make_webinar):
    webinar = make_webinar("live")

    async def scenario():
        rooms = RoomHub()
        first, second = AsgiViewer(1, ""), AsgiViewer(2, "")
        room = joined(rooms, webinar, first)
        rooms._recount()
        first.take()
        room._encoded = 0.0  # it has been quiet for a while
        rooms.join(webinar, second)
        rooms._recount()
        return json.loads(first.take()[0].decode().partition("data: ")[2])["viewers"]

    assert asyncio.run(scenario()) == 2


@pytest.mark.django_db(transaction=True)
def test_somebody_who_was_deleted_keeps_nobody_elses_presence_from_being_written(
    make_webinar, make_person, clock
):
    webinar, stays, gone = make_webinar("live"), make_person(), make_person()
    recorder = RecorderRow(uuid4(), clock(), clock())
    rows = tuple(IntervalRow(recorder.id, webinar.pk, each.pk, clock()) for each in (stays, gone))
    gone.delete()
    presence_store.write(Pending((recorder,), rows))
    assert [row.person_id for row in PresenceInterval.objects.all()] == [stays.pk]


def test_a_database_that_does_not_answer_is_no_blindness(before_and_after, monkeypatch, settings):
    before, _ = before_and_after("scheduled", start)
    answers = threading.Event()
    writes: list[object] = []

    def write(pending, attended):
        writes.append(pending)
        answers.wait(30)

    monkeypatch.setattr(live_module.presence_store, "write", write)
    monkeypatch.setattr(live_module, "TICK_S", 0.02)

    async def scenario():
        rooms = RoomHub()
        rooms.join(before, AsgiViewer(1, ""))
        running = asyncio.create_task(rooms.run())
        while not writes:
            await asyncio.sleep(0.01)
        (recorder,) = rooms.presence.pending().recorders
        pulses = {recorder.pulsed_at}
        while len(pulses) < 5:
            await asyncio.sleep(0.01)
            pulses |= {each.pulsed_at for each in rooms.presence.pending().recorders}
        known = {each.id for each in rooms.presence.pending().recorders}
        answers.set()
        rooms.close()
        await running
        return known == {recorder.id}

    assert asyncio.run(asyncio.wait_for(scenario(), 30))


def test_nobody_waits_for_the_database_to_be_sent_away(before_and_after, monkeypatch):
    before, _ = before_and_after("scheduled", start)
    answers, writes = threading.Event(), []

    def write(pending, attended):
        writes.append(pending)
        answers.wait(30)

    monkeypatch.setattr(live_module.presence_store, "write", write)

    async def scenario():
        rooms, viewer = RoomHub(), AsgiViewer(1, "")
        rooms.join(before, viewer)
        viewer.take()
        running = asyncio.create_task(rooms.run())
        while not writes:
            await asyncio.sleep(0.01)
        rooms.close()
        while not (told := viewer.take())[1]:
            await viewer.woken.wait()
        waiting = not answers.is_set()
        answers.set()
        await running
        return told, waiting

    (message, last), waiting = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert message.startswith(b"retry: ")
    assert last
    assert waiting
    assert writes[-1].recorders[-1].closed_at  # and in the end it is written that they left
    assert [interval.ended_at for interval in writes[-1].intervals] != [None]


def test_one_person_holds_so_many_streams_and_no_more(make_webinar, settings):
    webinar = make_webinar("live")

    async def scenario():
        rooms = RoomHub()
        tabs = [AsgiViewer(1, "") for _ in range(settings.EFIR.streams_per_person)]
        for tab in tabs:
            rooms.join(webinar, tab)
        full = rooms.refusal(1), rooms.refusal(2)
        rooms.leave(tabs[0], webinar.started_at)
        return *full, rooms.refusal(1), rooms.count(webinar.pk)

    assert asyncio.run(scenario()) == (429, 0, 0, 1)


def test_the_other_processes_viewers_count(make_webinar, clock):
    webinar = make_webinar("live")
    mine, other, dead = uuid4(), uuid4(), uuid4()
    since = clock() - timedelta(seconds=15)
    for recorder, pulse in ((mine, clock()), (other, clock()), (dead, since)):
        counts = {str(webinar.pk): 7}
        presence_store.write(Pending((RecorderRow(recorder, since, pulse, counts=counts),), ()))
    assert presence_store.peer_counts(mine, since) == {webinar.pk: 7}


@pytest.mark.django_db(transaction=True)
class TestAccessIsLost:
    """While somebody watches."""

    @pytest.fixture
    def watching(self, make_webinar, make_person, monkeypatch, settings):
        """Somebody in a room, in a process that runs; gives whether they were sent away once `happened` is over."""
        webinar, client = make_webinar("live"), Client()
        person = make_person()
        client.force_login(person)
        key = client.session.session_key

        def watch(happened, wake):
            async def scenario():
                rooms = RoomHub()
                viewer = AsgiViewer(person.pk, key)
                rooms.join(webinar, viewer)
                viewer.take()
                looked = asyncio.Event()
                recheck = rooms._recheck

                async def noted(person_ids):
                    await recheck(person_ids)
                    if viewer.person_id in person_ids:
                        looked.set()

                monkeypatch.setattr(rooms, "_recheck", noted)
                running = asyncio.create_task(rooms.run())
                await asyncio.sleep(0)
                await in_thread(happened, viewer.person_id)
                if wake:
                    rooms._news.set()
                await looked.wait()
                sent_away = viewer.take()[1]
                rooms.close()
                await running
                return sent_away

            return asyncio.run(asyncio.wait_for(scenario(), 30))

        return watch

    def test_by_this_process_it_is_noticed_at_once(self, watching):
        def stripped(person_id):
            Membership.objects.get(person_id=person_id).delete()

        assert watching(stripped, wake=False)

    def test_by_another_process_it_is_noticed_when_this_one_looks(self, watching):
        def stripped_elsewhere(person_id):
            Membership.objects.filter(person_id=person_id)._raw_delete("default")
            AccessChange.objects.create(person_id=person_id, at=clock.now())

        assert watching(stripped_elsewhere, wake=True)

    def test_another_role_that_may_watch_interrupts_nobody(self, watching):
        def promoted(person_id):
            assign_role(Person.objects.get(pk=person_id), Role.PARTNER)

        assert not watching(promoted, wake=False)
