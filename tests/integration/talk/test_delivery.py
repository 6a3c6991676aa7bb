"""Messages over the room's stream: who gets what, gathered, in order, and after a lost connection."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from uuid import uuid4

import pytest
from django.db import OperationalError

from efir.accounts.capabilities import ROLES, Role
from efir.accounts.models import Person
from efir.hooks.actions import Context, Source
from efir.lib.concurrency import in_thread
from efir.room.hub import RoomHub
from efir.room.socket_viewer import SocketViewer
from efir.room.sse import last_event_of
from efir.room.viewer import MAX_QUEUED_BYTES, AsgiViewer
from efir.talk import delivery
from efir.talk.models import MAX_LENGTH, Kind, Message, State
from efir.talk.moderation import moderate, mute
from efir.talk.ring import SIZE
from efir.talk.writing import write_message
from efir.webinars import core
from tests.conftest import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN_S = 30.0


class Room:
    """A hub with its talk running, and the people of the test."""

    def __init__(self, webinar, make_person):
        self.webinar = webinar
        self.people = {name: make_person(role, name=name) for name, role in PEOPLE.items()}
        self.roles = dict(PEOPLE)

    def begin(self):
        self.hub = RoomHub()
        (self.delivery,) = [each for each in self.hub.extensions if isinstance(each, delivery.TalkDelivery)]
        self.running = asyncio.create_task(self.delivery.run())

    def viewer(self, name, after=None):
        viewer = AsgiViewer(self.people[name].pk, "")
        viewer.capabilities, viewer.last_event = ROLES[self.roles[name]], after
        self.hub.join(self.webinar, viewer)
        return viewer

    async def say(self, name, text="Да", kind=Kind.MESSAGE):
        person = await in_thread(Person.objects.get, pk=self.people[name].pk)
        message, _ = await in_thread(write_message, self.webinar.pk, person, text, kind, uuid4())
        return message.number

    async def act(self, number, action):
        return await in_thread(moderate, self.webinar.pk, number, action, self.by_speaker())

    async def mute(self, name, on):
        await in_thread(mute, self.webinar.pk, self.people[name].pk, on, self.by_speaker())

    def by_speaker(self):
        return Context(self.people["Спикер"].pk, Source.WEB)


PEOPLE = {"Аня": Role.CANDIDATE, "Боря": Role.CANDIDATE, "Вера": Role.CANDIDATE, "Спикер": Role.SPEAKER}


@pytest.fixture
def make_room(make_webinar, make_person):
    def make(**fields):
        return Room(make_webinar("live", **fields), make_person)

    return make


@pytest.fixture
def run(make_room, monkeypatch):
    """Run a scenario in a room."""
    monkeypatch.setattr(delivery, "FRAME_EVERY_S", 0.05)

    def run(scenario, **fields):
        async def main(room):
            room.begin()
            try:
                return await asyncio.wait_for(scenario(room), WITHIN_S)
            finally:
                room.running.cancel()

        return asyncio.run(main(make_room(**fields)))

    return run


def events(data: bytes) -> list[dict[str, str]]:
    found = [
        dict(line.split(": ", 1) for line in part.splitlines())
        for part in data.decode().split("\n\n")
        if part
    ]
    return [each for each in found if each.get("event") == "messages"]


async def received(viewer, count=1, of=lambda message: (message["text"], message["state"])):
    """Wait until this viewer has got so many messages, and return them."""
    found = []
    while len(found) < count:
        await viewer.woken.wait()
        for event in events(viewer.pop_message()[0]):
            found += [of(message) for message in json.loads(event["data"])]
    return found


def test_everybody_gets_a_message(run):
    async def scenario(room):
        viewers = [room.viewer(name) for name in PEOPLE]
        await room.say("Аня", "Слышно?")
        return [await received(viewer) for viewer in viewers]

    assert run(scenario) == [[("Слышно?", "shown")]] * 4


def test_only_those_who_moderate_learn_the_person(run):
    async def scenario(room):
        viewers = [room.viewer("Боря"), room.viewer("Спикер")]
        await room.say("Аня")
        authors = [await received(viewer, of=lambda message: message["author"]) for viewer in viewers]
        return authors, room.people["Аня"].pk

    (others, speakers), person = run(scenario)
    assert others == [{"name": "Аня", "badge": ""}]
    assert speakers == [{"name": "Аня", "badge": "", "person": person}]


def test_private_question_reaches_its_author_and_the_speaker(run):
    async def scenario(room):
        author, other, speaker = (room.viewer(name) for name in ("Аня", "Боря", "Спикер"))
        number = await room.say("Аня", "Сколько стоит?", Kind.QUESTION)
        first = [await received(author), await received(speaker)]
        await room.act(number, "answer")
        await room.act(number, "show")
        return first, await received(other)

    first, shown = run(scenario, talk="questions")
    assert first == [[("Сколько стоит?", "shown")]] * 2
    assert shown == [("Сколько стоит?", "shown")]


def test_held_message_reaches_others_when_it_is_shown(run):
    async def scenario(room):
        author, other, speaker = (room.viewer(name) for name in ("Аня", "Боря", "Спикер"))
        number = await room.say("Аня", "Привет")
        held = [await received(author), await received(speaker)]
        await room.act(number, "show")
        return held, await received(author), await received(other)

    held, own, others = run(scenario, talk_hold="first")
    assert held == [[("Привет", "held")]] * 2
    assert own == others == [("Привет", "shown")]


def test_hidden_message_is_emptied_everywhere(run):
    async def scenario(room):
        viewers = [room.viewer(name) for name in PEOPLE]
        number = await room.say("Аня", "Плохо")
        await asyncio.gather(*map(received, viewers))
        await room.act(number, "hide")

        def parts(message):
            return (
                message["text"],
                message["author"],
                message["state"],
                message.get("original", {}).get("text"),
            )

        return [await received(viewer, of=parts) for viewer in viewers]

    assert run(scenario) == [[("", {}, "hidden", None)]] * 3 + [[("", {}, "hidden", "Плохо")]]


def test_muted_person_notices_nothing(run):
    async def scenario(room):
        author, other, speaker = (room.viewer(name) for name in ("Аня", "Боря", "Спикер"))
        await room.say("Аня", "Раз")
        await asyncio.gather(*map(received, (author, other, speaker)))
        await room.mute("Аня", True)
        hidden = await received(other), await received(author)
        await room.say("Аня", "Два")
        await room.say("Боря", "Три")
        unseen = await received(other), await received(author, 2), await received(speaker, 3)
        await room.mute("Аня", False)
        return hidden, unseen, await received(other, 2)

    hidden, (others, own, speakers), back = run(scenario)
    assert hidden == ([("", "hidden")], [("Раз", "shown")])
    assert others == [("Три", "shown")]
    assert own == [("Два", "shown"), ("Три", "shown")]
    assert speakers[-2:] == [("", "hidden"), ("Три", "shown")]
    assert back == [("Раз", "shown"), ("Два", "shown")]


def test_newcomer_gets_earlier_messages(run):
    async def scenario(room):
        await room.say("Аня", "Раз")
        await room.say("Боря", "Два")
        first = await received(room.viewer("Вера"), 2)
        return first, await received(room.viewer("Вера"), 2)

    assert run(scenario) == ([("Раз", "shown"), ("Два", "shown")],) * 2


def test_viewer_who_comes_back_gets_what_they_lack(run):
    async def scenario(room):
        stays = room.viewer("Боря")
        await room.say("Аня", "Раз")
        await received(stays)
        number = await room.say("Аня", "Два")
        await received(stays)
        return await received(room.viewer("Вера", number - 1)), room.viewer("Вера", number).pop_message()[0]

    lacking, nothing = run(scenario)
    assert lacking == [("Два", "shown")]
    assert events(nothing) == []


def test_viewer_ahead_of_this_process_gets_nothing_twice(run):
    async def scenario(room):
        room.viewer("Боря")
        first = await room.say("Аня", "Раз")
        ahead = room.viewer("Вера", first)  # another process has sent it already
        await room.say("Аня", "Два")
        return await received(ahead)

    assert run(scenario) == [("Два", "shown")]


def test_viewer_who_joins_during_a_read_gets_nothing_twice(run, monkeypatch):
    """What was read before the viewer came says nothing about the last event that they have."""
    read_last, has_read, may_go_on = delivery._read_last, threading.Event(), threading.Event()

    def held(webinar_id):
        found = read_last(webinar_id)
        has_read.set()
        may_go_on.wait(WITHIN_S)
        return found

    monkeypatch.setattr(delivery, "_read_last", held)

    async def scenario(room):
        room.viewer("Боря")
        await in_thread(has_read.wait, WITHIN_S)
        first = await room.say("Аня", "Раз")
        ahead = room.viewer("Вера", first)
        may_go_on.set()
        await room.say("Аня", "Два")
        return await received(ahead)

    assert run(scenario) == [("Два", "shown")]


def test_made_up_id_is_harmless(run):
    async def scenario(room):
        viewer = room.viewer("Вера", 10**17)
        await asyncio.sleep(0.2)
        await room.say("Аня", "Раз")
        return await received(viewer)

    assert run(scenario) == [("Раз", "shown")]


def test_messages_are_gathered(run, monkeypatch):
    async def scenario(room):
        viewer = room.viewer("Боря")
        await room.say("Аня", "0")
        await received(viewer)
        monkeypatch.setattr(delivery, "FRAME_EVERY_S", 1.0)
        await room.say("Аня", "1")  # its frame begins a second without another one
        await received(viewer)
        for text in "23":
            await room.say("Боря", text)
        await viewer.woken.wait()
        return [
            [message["text"] for message in json.loads(event["data"])]
            for event in events(viewer.pop_message()[0])
        ]

    assert run(scenario) == [["2", "3"]]


def test_lost_notification_is_made_up_for(run, monkeypatch):
    monkeypatch.setattr(delivery, "CHECK_EVERY_S", 0.1)

    async def scenario(room):
        viewer = room.viewer("Боря")
        await room.say("Аня", "Раз")
        await received(viewer)
        delivery.talk_changed.disconnect(room.delivery._on_talk_changed)
        await room.say("Аня", "Два")
        return await received(viewer)

    assert run(scenario) == [("Два", "shown")]


def test_database_away_delays_only(run, monkeypatch):
    monkeypatch.setattr(delivery, "RETRY_S", 0.05)
    real, failures = delivery._read_changes, []

    def fail_twice(*args):
        if len(failures) < 2:
            failures.append(args)
            raise OperationalError("away")
        return real(*args)

    monkeypatch.setattr(delivery, "_read_changes", fail_twice)

    async def scenario(room):
        viewer = room.viewer("Боря")
        await room.say("Аня", "Раз")
        await received(viewer)
        await room.say("Аня", "Два")
        return await received(viewer)

    assert run(scenario) == [("Два", "shown")]
    assert len(failures) == 2


def test_mode_that_is_changed_on_air_begins_the_talk(run):
    async def scenario(room):
        viewer = room.viewer("Боря")
        changed = await in_thread(core.update, room.webinar.pk, {"talk": "chat"}, SYSTEM)
        room.hub._update(changed)
        await room.say("Аня", "Раз")
        return await received(viewer)

    assert run(scenario, talk="off") == [("Раз", "shown")]


def test_page_gets_the_talk_again_after_it_was_off(run):
    async def change(room, mode):
        room.hub._update(await in_thread(core.update, room.webinar.pk, {"talk": mode}, SYSTEM))

    async def scenario(room):
        known = await room.say("Аня", "Раз")
        viewer = room.viewer("Боря", known)  # came back, and knew all of it
        await change(room, "off")
        await change(room, "chat")
        return await received(viewer)

    assert run(scenario) == [("Раз", "shown")]


def test_other_talk_sends_nothing_again(run):
    async def scenario(room):
        viewer = room.viewer("Боря")
        await room.say("Аня", "Раз")
        await received(viewer)
        room.hub._update(await in_thread(core.update, room.webinar.pk, {"talk": "questions"}, SYSTEM))
        await room.say("Спикер", "Два")
        return await received(viewer)

    assert run(scenario) == [("Два", "shown")]


def test_slow_socket_gets_everything_in_order(run):
    """What the kernel's buffer does not take waits, and nothing is lost or cut."""

    async def scenario(room):
        near, far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        near.setblocking(False)
        viewer = SocketViewer(room.people["Боря"].pk, "", room.hub.socket_poller, near.detach())
        room.hub.join(room.webinar, viewer)
        sent = [b"%06d" % number * 2000 for number in range(30)]
        for event in sent:
            viewer.queue(event)
        far.setblocking(False)
        got, until = b"", time.monotonic() + WITHIN_S
        while not got.endswith(sent[-1]) and time.monotonic() < until:
            await asyncio.sleep(0)
            try:
                got += far.recv(65536)
            except BlockingIOError:
                pass
        far.close()
        return got.endswith(b"".join(sent))

    assert run(scenario)


def test_page_that_comes_back_can_take_all_of_the_ring(make_person, make_webinar):
    """Or it would be dropped, and come back with the same `Last-Event-ID`, for ever."""
    author = make_person(name="я" * Person._meta.get_field("name").max_length)
    longest = Message(
        webinar=make_webinar("live"), person=author, number=10**9, change=10**9, kind=Kind.QUESTION,
        text="😀" * MAX_LENGTH, state=State.HIDDEN,
    )  # fmt: skip
    assert 3 * SIZE * len(delivery._entry(longest).moderating) < MAX_QUEUED_BYTES


def test_socket_that_takes_nothing_is_dropped(run):
    async def scenario(room):
        near, far = socket.socketpair()
        near.setblocking(False)
        viewer = SocketViewer(room.people["Боря"].pk, "", room.hub.socket_poller, near.detach())
        room.hub.join(room.webinar, viewer)
        for _ in range(200):
            viewer.queue(bytes(10_000))
        far.close()
        return room.hub.viewers_of(room.webinar.pk)

    assert run(scenario) == set()


@pytest.mark.parametrize(
    ("header", "query", "expected"),
    [
        ("", "", None),
        ("5", "", 5),
        ("", "after=7", 7),
        ("5", "after=7&watching=1", 7),
        ("9", "after=7", 9),
        ("x", "after=-1", None),
        ("0", "", 0),
    ],
)
def test_last_event_is_the_later_of_both(header, query, expected):
    headers = [(b"last-event-id", header.encode())] if header else []
    assert last_event_of({"headers": headers, "query_string": query.encode()}) == expected
