"""The ring: whatever order viewers drop and come back in, they miss nothing of the last 100 and get nothing twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from efir.talk.ring import EVERYBODY, MODERATING, SIZE, Entry, Reader, Ring, encode

AUTHOR = 7


def entry(number, change=None, *, person=1, seen=True, own=False):
    """Make an entry that says who sees which change of which message."""

    def data(reader):
        return json.dumps({"id": number, "change": change or number, "as": reader}).encode()

    return Entry(
        number=number,
        change=change or number,
        person_id=person,
        everybody=data("everybody") if seen else None,
        moderating=data("moderating"),
        author=data("author") if own else None,
    )


def messages_in(frame: bytes) -> list[dict[str, object]]:
    lines = dict(line.split(": ", 1) for line in frame.decode().splitlines() if line)
    return json.loads(lines["data"]) if lines else []


def id_of(frame: bytes) -> int:
    return int(frame.decode().splitlines()[0].removeprefix("id: "))


def test_newcomer_gets_the_last_hundred_in_order():
    ring = Ring()
    ring.put([entry(number) for number in range(1, 251)], 250)
    frame = ring.frame(EVERYBODY)
    assert [each["id"] for each in messages_in(frame)] == list(range(151, 251))
    assert id_of(frame) == 250


def test_empty_ring_sends_nothing():
    assert Ring().frame(EVERYBODY) == b""


def test_reader_who_knows_everything_gets_nothing():
    ring = Ring()
    ring.put([entry(1)], 1)
    assert ring.frame(EVERYBODY, 1) == b""


def test_change_of_an_old_message_is_kept():
    ring = Ring()
    ring.put([entry(number) for number in range(1, 251)], 250)
    ring.put([entry(3, 251)], 251)
    assert [each["id"] for each in messages_in(ring.frame(EVERYBODY, 250))] == [3]
    assert 3 not in [each["id"] for each in messages_in(ring.frame(EVERYBODY))]


def test_messages_of_others_do_not_push_out_what_everybody_sees():
    ring = Ring()
    ring.put([entry(1)], 1)
    ring.put([entry(number, seen=False) for number in range(2, 400)], 399)
    assert [each["id"] for each in messages_in(ring.frame(EVERYBODY))] == [1]


def test_each_reader_gets_their_view():
    ring = Ring()
    ring.put([entry(1, person=AUTHOR, seen=False, own=True), entry(2)], 2)
    seen = {
        reader: [each["as"] for each in messages_in(ring.frame(reader))]
        for reader in (EVERYBODY, Reader(3), Reader(AUTHOR), MODERATING, Reader(9, moderates=True))
    }
    assert list(seen.values()) == [
        ["everybody"],
        ["everybody"],
        ["author", "everybody"],
        ["moderating", "moderating"],
        ["moderating", "moderating"],
    ]


def test_viewers_who_see_the_same_share_a_frame():
    ring = Ring()
    ring.put([entry(1), entry(2, person=AUTHOR, seen=False, own=True)], 2)
    assert ring.frame(Reader(3), 0) is ring.frame(Reader(4), 0)
    assert ring.frame(Reader(3), 0) is not ring.frame(Reader(AUTHOR), 0)


def test_few_frames_are_kept_whatever_is_asked_for():
    ring = Ring()
    ring.put([entry(number) for number in range(1, 1001)], 1000)
    frames = {id(ring.frame(EVERYBODY, after)) for after in range(1000)}
    assert len(ring._frames) == len(frames) == SIZE


@dataclass(eq=False)
class Page:
    """A viewer's page: what it was sent, and what it shows."""

    reader: Reader
    online: bool = False
    last_event: int | None = None
    received: list[tuple[int, int]] = field(default_factory=list)
    shown: dict[int, int] = field(default_factory=dict)

    def take(self, frame: bytes) -> None:
        for each in messages_in(frame):
            self.received.append((each["id"], each["change"]))
            self.shown[each["id"]] = each["change"]
        if frame:
            self.last_event = id_of(frame)


WRITE, CHANGE, READ, DROP, RETURN, MOVE = range(6)
STEPS = st.lists(st.tuples(st.sampled_from(range(6)), st.integers(0, 400)), max_size=300)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
def test_any_order_of_drops_and_returns(steps):
    """Two processes read one log, each at its own pace; pages drop, come back and move between them."""
    log: list[Entry] = []
    latest: dict[int, Entry] = {}
    rings = [Ring(), Ring()]
    pages = [[Page(EVERYBODY), Page(MODERATING)], [Page(Reader(AUTHOR)), Page(EVERYBODY)]]

    def write(number):
        own = number % 3 == 0
        change = len(log) + 1
        log.append(entry(number, change, person=AUTHOR if own else 1, seen=number % 4 != 0, own=own))
        latest[number] = log[-1]

    def read(process):
        new = {each.number: each for each in log if each.change > rings[process].cursor}
        rings[process].put(new.values(), len(log))
        for page in pages[process]:
            if page.online:
                page.take(encode(new.values(), page.reader, len(log)))

    def come_back(process, page):
        # A process that is behind what the page has reads first, as delivery does.
        if page.last_event is not None and page.last_event > rings[process].cursor:
            read(process)
        page.online = True
        page.take(rings[process].frame(page.reader, page.last_event))

    for step, value in steps:
        process = value % 2
        page = pages[process][value // 2 % len(pages[process])] if pages[process] else None
        if step == WRITE:
            for _ in range(value % 20 + 1):
                write(len(log) + 1)
        elif step == CHANGE and log:
            write(list(latest)[value % len(latest)])
        elif step == READ:
            read(process)
        elif step == DROP and page:
            page.online = False
        elif step == RETURN and page and not page.online:
            come_back(process, page)
        elif step == MOVE and page:
            pages[process].remove(page)
            page.online = False
            pages[1 - process].append(page)

    for process in (0, 1):
        read(process)
        for page in pages[process]:
            if not page.online:
                come_back(process, page)
            assert len(set(page.received)) == len(page.received)
            visible = {
                number: each.change for number, each in latest.items() if page.reader.sees(each) is not None
            }
            last = sorted(visible)[-SIZE:]
            if page.reader == Reader(AUTHOR):  # what only they see may be older than the last 100 of all
                last = [number for number in last if number > len(log) - SIZE]
            assert [page.shown.get(number) for number in last] == [visible[number] for number in last]
