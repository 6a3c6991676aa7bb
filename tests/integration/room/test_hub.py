"""The hub of one process: what each viewer is sent, and what a slow database must not delay."""

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
from efir.room import hub as hub_module
from efir.room import presence_store, recorder, sse
from efir.room.hub import RoomHub
from efir.room.models import PresenceInterval, Recorder, WatchingInterval
from efir.room.presence import MAX_GAP_S, IntervalRow, Pending, RecorderRow
from efir.room.socket_viewer import SocketViewer
from efir.room.viewer import AsgiViewer
from efir.webinars.core import webinar_changed
from efir.webinars.models import Webinar
from tests.conftest import SYSTEM, start, stop


def state_in(message: bytes) -> dict[str, object]:
    return json.loads(message.decode().partition("data: ")[2])


def join(hub, webinar, viewer):
    """Join the viewer and return the channel."""
    hub.join(webinar, viewer)
    return hub._channels[webinar.pk]


@pytest.fixture
def before_and_after(make_webinar):
    """The row of a webinar as read before and after a change of status."""

    def change(status, action):
        webinar = make_webinar(status)
        before = Webinar.objects.get(pk=webinar.pk)
        return before, action(webinar.pk, SYSTEM)

    return change


@pytest.mark.parametrize(
    ("status", "action", "now"), [("scheduled", start, "live"), ("live", stop, "finished")]
)
def test_join_with_newer_row_broadcasts_it(before_and_after, status, action, now):
    before, after = before_and_after(status, action)

    async def scenario():
        hub = RoomHub()
        waiting = AsgiViewer(1, "")
        channel = join(hub, before, waiting)
        waiting.pop_message()
        hub.join(after, AsgiViewer(2, ""))
        return (
            state_in(channel.message)["status"],
            waiting.pop_message() == (channel.message, now == "finished"),
            hub.recorder._flush_event.is_set(),
        )

    assert asyncio.run(scenario()) == (now, True, True)


@pytest.mark.django_db(transaction=True)  # a running hub writes by a connection of its own
def test_change_by_this_process_is_broadcast_without_reading_it(before_and_after):
    before, after = before_and_after("scheduled", start)

    async def scenario():
        hub, waiting = RoomHub(), AsgiViewer(1, "")
        channel = join(hub, before, waiting)
        waiting.pop_message()
        running = asyncio.create_task(hub.run())
        await asyncio.sleep(0)
        webinar_changed.send(sender=Webinar, webinar_id=after.pk, webinar=after)
        await asyncio.sleep(0)  # one step of the event loop, while a read takes a thread and several
        hub.close()
        await running
        return state_in(channel.message)["status"]

    assert asyncio.run(scenario()) == "live"


def test_join_with_older_row_changes_nothing(before_and_after):
    before, after = before_and_after("scheduled", start)

    async def scenario():
        hub = RoomHub()
        channel = join(hub, after, AsgiViewer(1, ""))
        hub.join(before, AsgiViewer(2, ""))
        return state_in(channel.message)["status"]

    assert asyncio.run(scenario()) == "live"


def test_stream_opened_after_the_finish_is_not_presence(before_and_after):
    _, after = before_and_after("live", stop)

    async def scenario():
        hub = RoomHub()
        viewer = AsgiViewer(1, "")
        channel = join(hub, after, viewer)
        count = hub.count(after.pk)
        hub.leave(viewer, after.finished_at)
        return count, channel.has_ended

    assert asyncio.run(scenario()) == (0, True)


def socket_viewer(hub, person_id):
    """Return a viewer on a bare connection, and the other end of the connection."""
    near, far = socket.socketpair()
    far.setblocking(False)
    return SocketViewer(person_id, "", hub.socket_poller, near.detach()), far


class TestGap:
    """The event loop stood still: nobody knows when those who are gone by now went."""

    @pytest.fixture
    def ticking(self, make_webinar):
        """A live webinar, and a clock that goes on with each look, as after the gap many things happen at once."""
        webinar, moment = make_webinar("live"), [clock.now()]

        def now():
            moment[0] += timedelta(milliseconds=1)
            return moment[0]

        def stand_still(hub):
            moment[0] += timedelta(seconds=MAX_GAP_S + 20)
            hub.recorder.presence._ticked -= MAX_GAP_S + 20

        with clock.replaced(now):
            yield webinar, stand_still

    @staticmethod
    def _rows(hub):
        """Return by person what is recorded: seconds, or None for an interval without an end."""
        rows: dict[int, list[float | None]] = {}
        for row in hub.recorder.presence.pending().intervals:
            length_s = row.ended_at and (row.ended_at - row.began_at).total_seconds()
            rows.setdefault(row.person_id, []).append(length_s)
        return rows

    @staticmethod
    def _connect(hub, webinar, *people):
        found = {person: socket_viewer(hub, person) for person in people}
        for viewer, _ in found.values():
            hub.join(webinar, viewer)
        return found

    @pytest.mark.parametrize("first", ["heartbeat", "poll", "join", "flush"])
    def test_closed_connection_was_last_seen_before_the_gap(self, ticking, first):
        webinar, stand_still = ticking

        async def scenario():
            hub = RoomHub()
            found = self._connect(hub, webinar, 1, 2, 3)
            before = hub.recorder.presence.recorder_id
            stand_still(hub)
            for person in (1, 3):
                found[person][1].close()
            if first == "heartbeat":
                hub.recorder.heartbeat()
            elif first == "poll":
                hub.socket_poller._poll()
            elif first == "join":
                hub.join(webinar, socket_viewer(hub, 4)[0])
            else:
                hub.recorder.flush_soon()
            rows = self._rows(hub)
            return rows[1], rows[2], rows[3], before != hub.recorder.presence.recorder_id

        # The interval from before the gap has no end, as if the process had died; the one after it is empty.
        assert asyncio.run(scenario()) == ([None, 0], [None, None], [None, 0], True)

    def test_stream_given_up_in_the_gap_is_no_presence(self, ticking):
        webinar, stand_still = ticking

        async def scenario():
            hub = RoomHub()
            viewer, far = socket_viewer(hub, 1)
            stand_still(hub)
            far.close()
            hub.join(webinar, viewer)
            hub.socket_poller._poll()
            return self._rows(hub), dict(hub._streams), hub._channels

        assert asyncio.run(scenario()) == ({}, {}, {})

    def test_person_with_another_open_tab_is_still_there(self, ticking):
        webinar, stand_still = ticking

        async def scenario():
            hub = RoomHub()
            (first, gone), (second, _end) = socket_viewer(hub, 1), socket_viewer(hub, 1)
            for tab in (first, second):
                hub.join(webinar, tab)
            stand_still(hub)
            gone.close()
            hub.recorder.heartbeat()
            return self._rows(hub)

        # The empty one is the second tab's coming.
        assert asyncio.run(scenario()) == {1: [None, 0, None]}

    def test_server_reports_a_closed_connection_a_little_later(self, ticking):
        webinar, stand_still = ticking

        async def scenario():
            hub = RoomHub()
            gone, stays = AsgiViewer(1, ""), AsgiViewer(2, "")
            for viewer in (gone, stays):
                hub.join(webinar, viewer)
            stand_still(hub)
            hub.recorder.heartbeat()
            hub.leave(gone, clock.now())
            hub._unconfirmed = set()  # what the heartbeat does a second later
            hub.leave(stays, clock.now())
            rows = self._rows(hub)
            return rows[1], rows[2][0], rows[2][1] > 0

        assert asyncio.run(scenario()) == ([None, 0], None, True)


def test_join_with_the_finish_ends_every_stream(before_and_after):
    before, after = before_and_after("live", stop)

    async def scenario():
        hub = RoomHub()
        (waiting, waits), (late, comes) = socket_viewer(hub, 1), socket_viewer(hub, 2)
        hub.join(before, waiting)
        hub.join(after, late)
        told = [b'"status":"finished"' in end.recv(65536) for end in (waits, comes)]
        return told, dict(hub._streams), hub._channels, hub.count(before.pk)

    assert asyncio.run(scenario()) == ([True, True], {}, {}, 0)


def test_new_stream_replaces_a_dead_one_of_the_same_person(before_and_after):
    before, after = before_and_after("scheduled", start)

    async def scenario():
        hub = RoomHub()
        (dead, gone), (new, end) = socket_viewer(hub, 1), socket_viewer(hub, 1)
        hub.join(before, dead)
        gone.close()
        hub.join(after, new)
        joined = hub._channels[after.pk].viewers == {new}, hub.count(after.pk)
        end.close()
        while hub._channels:
            await asyncio.sleep(0.01)
        return *joined, hub.count(after.pk), dict(hub._streams)

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == (True, 1, 0, {})


def test_join_broadcasts_the_new_count(make_webinar):
    webinar = make_webinar("live")

    async def scenario():
        hub = RoomHub()
        first, second = AsgiViewer(1, ""), AsgiViewer(2, "")
        channel = join(hub, webinar, first)
        hub._broadcast_counts()
        first.pop_message()
        channel._encoded_at = 0.0  # an old message
        hub.join(webinar, second)
        hub._broadcast_counts()
        return state_in(first.pop_message()[0])["viewers"]

    assert asyncio.run(scenario()) == 2


@pytest.mark.django_db(transaction=True)
def test_write_drops_intervals_of_deleted_people(make_webinar, make_person, clock):
    webinar, stays, gone = make_webinar("live"), make_person(), make_person()
    recorder = RecorderRow(uuid4(), clock(), clock())
    rows = tuple(IntervalRow(recorder.id, webinar.pk, each.pk, clock()) for each in (stays, gone))
    gone.delete()
    presence_store.write(Pending((recorder,), rows))
    assert [row.person_id for row in PresenceInterval.objects.all()] == [stays.pk]


def test_heartbeat_goes_on_while_a_write_hangs(before_and_after, monkeypatch):
    before, _ = before_and_after("scheduled", start)
    answers = threading.Event()
    writes: list[object] = []

    def write(pending, speaker_pages):
        writes.append(pending)
        answers.wait(30)

    monkeypatch.setattr(hub_module.presence_store, "write", write)
    monkeypatch.setattr(hub_module, "TICK_S", 0.02)
    monkeypatch.setattr(recorder, "CHANGES_WITHIN_S", 0.02)

    async def scenario():
        hub = RoomHub()
        hub.join(before, AsgiViewer(1, ""))
        running = asyncio.create_task(hub.run())
        while not writes:
            await asyncio.sleep(0.01)
        presence = hub.recorder.presence
        (row,) = presence.pending().recorders
        pulses = {row.pulsed_at}
        while len(pulses) < 5:
            await asyncio.sleep(0.01)
            pulses |= {each.pulsed_at for each in presence.pending().recorders}
        known = {each.id for each in presence.pending().recorders}
        answers.set()
        hub.close()
        await running
        return known == {row.id}

    assert asyncio.run(asyncio.wait_for(scenario(), 30))


def test_close_ends_streams_while_a_write_hangs(before_and_after, monkeypatch):
    before, _ = before_and_after("scheduled", start)
    answers, writes = threading.Event(), []

    def write(pending, speaker_pages):
        writes.append(pending)
        answers.wait(30)

    monkeypatch.setattr(hub_module.presence_store, "write", write)

    async def scenario():
        hub, viewer = RoomHub(), AsgiViewer(1, "")
        hub.join(before, viewer)
        viewer.pop_message()
        running = asyncio.create_task(hub.run())
        while not writes:
            await asyncio.sleep(0.01)
        hub.close()
        while not (told := viewer.pop_message())[1]:
            await viewer.woken.wait()
        waiting = not answers.is_set()
        answers.set()
        await running
        return told, waiting

    (message, last), waiting = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert message.startswith(b"retry: ")
    assert last
    assert waiting
    assert writes[-1].recorders[-1].closed_at  # the end of presence is written
    assert [interval.ended_at for interval in writes[-1].intervals] != [None]


def test_streams_per_person_are_limited(make_webinar, settings):
    webinar = make_webinar("live")

    async def scenario():
        hub = RoomHub()
        tabs = [AsgiViewer(1, "") for _ in range(settings.EFIR.streams_per_person)]
        for tab in tabs:
            hub.join(webinar, tab)
        full = hub.refusal_status(1), hub.refusal_status(2)
        hub.leave(tabs[0], webinar.started_at)
        return *full, hub.refusal_status(1), hub.count(webinar.pk)

    assert asyncio.run(scenario()) == (429, 0, 0, 1)


def test_viewers_of_running_peers_are_counted(make_webinar, clock):
    webinar = make_webinar("live")
    mine, other, dead = uuid4(), uuid4(), uuid4()
    since = clock() - timedelta(seconds=15)
    for recorder_id, pulse in ((mine, clock()), (other, clock()), (dead, since)):
        counts = {str(webinar.pk): 7}
        presence_store.write(Pending((RecorderRow(recorder_id, since, pulse, counts=counts),), ()))
    assert presence_store.peer_counts(mine) == {webinar.pk: 7}


@pytest.mark.django_db(transaction=True)
class TestAccessChanges:
    """While somebody watches."""

    @pytest.fixture
    def watching(self, make_webinar, make_person, monkeypatch, settings):
        """Watch in a running hub; return whether the stream was ended after `change` and the next recheck."""
        webinar, client = make_webinar("live"), Client()
        person = make_person()
        client.force_login(person)
        key = client.session.session_key

        def watch(change, wake):
            async def scenario():
                hub = RoomHub()
                viewer = AsgiViewer(person.pk, key)
                hub.join(webinar, viewer)
                viewer.pop_message()
                rechecked = asyncio.Event()
                recheck = hub._access_watch.recheck

                async def noting_recheck(person_ids):
                    await recheck(person_ids)
                    if viewer.person_id in person_ids:
                        rechecked.set()

                monkeypatch.setattr(hub._access_watch, "recheck", noting_recheck)
                running = asyncio.create_task(hub.run())
                await asyncio.sleep(0)
                await in_thread(change, viewer.person_id)
                if wake:
                    hub._access_watch._wake_event.set()
                await rechecked.wait()
                ended = viewer.pop_message()[1]
                hub.close()
                await running
                return ended

            return asyncio.run(asyncio.wait_for(scenario(), 30))

        return watch

    def test_change_by_this_process_is_noticed_at_once(self, watching):
        def stripped(person_id):
            Membership.objects.get(person_id=person_id).delete()

        assert watching(stripped, wake=False)

    def test_change_by_another_process_is_noticed_by_polling(self, watching):
        def stripped_elsewhere(person_id):
            Membership.objects.filter(person_id=person_id)._raw_delete("default")
            AccessChange.objects.create(person_id=person_id, at=clock.now())

        assert watching(stripped_elsewhere, wake=True)

    def test_role_that_may_watch_keeps_the_stream(self, watching):
        def promoted(person_id):
            assign_role(Person.objects.get(pk=person_id), Role.PARTNER)

        assert not watching(promoted, wake=False)


@pytest.fixture
def open_stream(make_webinar, make_person, monkeypatch):
    """Return a function that opens a stream of a plain ASGI server, which ends at the first state or has ended."""
    webinar, client = make_webinar("live"), Client()
    client.force_login(make_person())
    cookie = f"sessionid={client.session.session_key}".encode()

    def open_stream(query=b"", *, has_ended=False):
        scope = {"method": "GET", "query_string": query, "headers": [(b"cookie", cookie)]}

        async def scenario():
            seen = asyncio.Event()
            if has_ended:
                seen.set()

            async def receive():
                await seen.wait()
                return {"type": "http.disconnect"}

            async def send(message):
                if message.get("body"):
                    seen.set()

            monkeypatch.setattr(hub_module, "_hub", RoomHub())
            await sse.stream(scope, receive, send, webinar.pk)
            await hub_module.current_hub().recorder.flush()

        asyncio.run(asyncio.wait_for(scenario(), 30))

    return open_stream


@pytest.mark.django_db(transaction=True)
def test_stream_given_up_before_it_is_served_is_no_presence(open_stream):
    open_stream(has_ended=True)
    assert not PresenceInterval.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("query", "watches"),
    [(b"", 0), (b"watching=1", 1), (b"x=2&watching=1", 1), (b"watching=0", 0), (b"watching=11", 0)],
)
def test_stream_is_recorded_as_watching_if_it_says_so(open_stream, query, watches):
    open_stream(query)
    present = list(PresenceInterval.objects.values_list("person", "began_at", "ended_at"))
    assert list(WatchingInterval.objects.values_list("person", "began_at", "ended_at")) == present * watches
    assert len(present) == 1
    assert Recorder.objects.get().records_watching
