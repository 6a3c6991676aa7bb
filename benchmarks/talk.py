"""The room's talk with 9,000 viewers of one process: steady rate, flood, hiding, reconnecting, memory and an idle room.

nginx with nchan gets the same frames at the same moments for comparison; it only passes them on. Options: `--viewers`,
`--seconds`.
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from urllib.parse import urlencode
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command

from benchmarks import nchan
from benchmarks.load import SPARE_FILES, Answer, LoadGenerator, get_stream, load_generator, raise_file_limit
from benchmarks.people import CSRF, SYSTEM, Speaker, create_people, live_webinar, log_in, room_stream
from benchmarks.servers import Server, efir
from benchmarks.tables import median, ms, percentile, table, warn
from efir.accounts.capabilities import Role
from efir.webinars import core
from efir.webinars.models import Webinar

VIEWERS, SECONDS = 9000, 60.0
PER_SECOND = 10
WRITERS = 100  # one person may write three messages in five seconds
FLOOD_PEOPLE, FLOOD_PER_SECOND, FLOOD_S = 1000, 100, 10.0
AWAY_S, RETURNING = 30.0, 50
PRESSES = 10
HIDDEN = 5
IDLE_S = 20.0
WARM = 50
SETTLE_S = 2.0  # the ring is read, which the first viewers cause
END = "конец"
THREADS = 32


@dataclass
class Post:
    """One message that was sent: when, and what was answered."""

    sent_at: float
    status: int
    id: int


@dataclass
class Room:
    """A webinar, the server of its room, and who writes in it."""

    webinar: Webinar
    server: Server
    speaker: str
    writers: Sequence[str]
    _connections: threading.local = field(default_factory=threading.local)

    def post(self, cookie: str, path: str, **fields: str) -> tuple[int, bytes]:
        """Send a form, on a connection of this thread."""
        for attempt in (1, 2):
            http = getattr(self._connections, "http", None)
            if http is None:
                http = self._connections.http = HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            headers = {
                "Cookie": cookie,
                "X-CSRFToken": CSRF,
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
            }
            try:
                http.request("POST", path, urlencode(fields), headers)
                answer = http.getresponse()
                return answer.status, answer.read()
            except (OSError, HTTPException):  # the server closes an idle connection
                self._connections.http = None
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def say(self, cookie: str, text: str) -> Post:
        """Write a message."""
        sent_at = time.monotonic()
        path = f"/account/webinar_room/{self.webinar.pk}/messages"
        status, body = self.post(cookie, path, text=text, kind="message", client_id=str(uuid4()))
        return Post(sent_at, status, json.loads(body)["id"] if status == 201 else 0)

    def hide(self, number: int) -> None:
        """Hide a message, as the speaker does."""
        status, body = self.post(
            self.speaker, f"/admin_webinar/{self.webinar.pk}/messages/{number}", action="hide"
        )
        if status != 200:
            raise RuntimeError(f"hide: {status} {body[:300]!r}")

    def write(self, cookies: Sequence[str], per_s: float, seconds: float) -> list[Post]:
        """Write at an even pace, in turns. Each message is sent when it is due, whatever became of those before."""
        posts: list[Future[Post]] = []
        with ThreadPoolExecutor(THREADS) as pool:
            # A room counts every second: begin with one, and write in the middle of equal parts of it.
            began = time.monotonic() + 1.0 - time.time() % 1.0 + 0.5 / per_s
            for number, cookie in zip(range(int(per_s * seconds)), cycle(cookies), strict=False):
                time.sleep(max(0.0, began + number / per_s - time.monotonic()))
                posts.append(pool.submit(self.say, cookie, f"Сообщение {number}: {'слова ' * 10}"))
        return [each.result() for each in posts]


def main(*arguments: str) -> None:
    """Print the table for this process's database."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks talk")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    call_command("migrate", verbosity=0)
    viewers = min(options.viewers, raise_file_limit() - SPARE_FILES)
    if viewers < options.viewers:
        warn(f"only {viewers} viewers fit into the limit of open files (ulimit -Hn)")
    watching = log_in(create_people(viewers))
    writers = log_in(create_people(FLOOD_PEOPLE, prefix="w"))
    (speaker,) = log_in(create_people(1, Role.SPEAKER, "speaker"))
    rows: list[tuple[str, str, str]] = []
    with full_room("off", watching, speaker, writers) as (room, _load, without_kb):
        without_cpu = idle(room)
    with full_room("chat", watching, speaker, writers) as (room, load, with_kb):
        quiet_cpu = idle(room)
        rows.append(("idle room, CPU of a core", f"{quiet_cpu:.3f}; without talk {without_cpu:.3f}", ""))
        rows.append(
            (
                "memory of a viewer",
                f"{with_kb:.2f} kB; without talk {without_kb:.2f} kB: {with_kb / without_kb:.2f} ×",
                "≤ 1.10 ×",
            )
        )
        posts, answer, cpu = pace(room, load, options.seconds)
        rows += described(posts, answer, cpu - quiet_cpu, viewers)
        if settings.EFIR.is_sqlite and nchan.module():
            rows += beside_nchan(viewers, posts, answer, cpu - quiet_cpu)
        else:
            warn(nchan.MISSING)
        rows += flood(room, load)
        rows += hiding(room, load)
        rows += coming_back(room, watching[:RETURNING])
    table(
        f"The room's talk with {viewers:,} viewers of one process: {PER_SECOND} messages a second for "
        f"{options.seconds:.0f} s",
        ["what", "measured", "to reach"],
        rows,
    )


@contextmanager
def full_room(
    mode: str, watching: Sequence[str], speaker: str, writers: Sequence[str]
) -> Iterator[tuple[Room, LoadGenerator, float]]:
    """Run a room with all viewers; yield it, its load generator, and what a viewer adds to VmRSS in kB."""
    webinar = core.update(live_webinar().pk, {"talk": mode}, SYSTEM)
    with ExitStack() as stack:
        server, load = stack.enter_context(efir("web")), stack.enter_context(load_generator())
        room = Room(webinar, server, speaker, writers)
        for cookie in writers[-5:]:  # new viewers get a ring that is not empty
            if mode == "chat":
                room.say(cookie, "Здравствуйте")
        kb = []
        for chunk in (watching[:WARM], watching[WARM:]):
            requests = [(server.port, get_stream(room_stream(webinar), cookie)) for cookie in chunk]
            answer = load.open_streams(requests)
            if answer["errors"]:
                warn(f"{mode}: {answer['errors']}")
            time.sleep(SETTLE_S)
            kb.append(server.rss_kb())
        yield room, load, (kb[1] - kb[0]) / (len(watching) - WARM)


def idle(room: Room) -> float:
    """Return the CPU of the idle server, in cores."""
    time.sleep(2)
    before = room.server.cpu_s()
    time.sleep(IDLE_S)
    return (room.server.cpu_s() - before) / IDLE_S


def pace(room: Room, load: LoadGenerator, seconds: float) -> tuple[list[Post], Answer, float]:
    """Write at the pace that a room takes. Return the messages, what the viewers got, and the CPU in cores."""
    with load.listening(END) as heard:
        before, began = room.server.cpu_s(), time.monotonic()
        posts = room.write(room.writers[:WRITERS], PER_SECOND, seconds)
        cpu = (room.server.cpu_s() - before) / (time.monotonic() - began)
        time.sleep(1)
        room.say(room.speaker, END)
    return posts, heard.answer, cpu


def latencies(posts: Sequence[Post], answer: Answer) -> tuple[list[float], list[float]]:
    """Return the time of each message to each viewer, and to the last viewer of each."""
    arrivals = {message: frame["at"] for frame in answer["frames"] for message in frame["ids"] if frame["at"]}
    sent = {post.id: post.sent_at for post in posts if post.status == 201}
    each = [at - sent[number] for number, moments in arrivals.items() if number in sent for at in moments]
    last = [max(moments) - sent[number] for number, moments in arrivals.items() if number in sent]
    return sorted(each), sorted(last)


def described(posts: Sequence[Post], answer: Answer, cpu: float, viewers: int) -> list[tuple[str, str, str]]:
    """Describe the results at a steady rate: times, CPU, and lost, duplicated or reordered messages."""
    accepted = sorted(post.id for post in posts if post.status == 201)
    each, last = latencies(posts, answer)
    orders = answer["orders"]
    right = sum(order["viewers"] for order in orders if order["ids"][: len(accepted)] == accepted)
    return [
        ("messages accepted of those sent", f"{len(accepted)} of {len(posts)}", ""),
        (
            "POST → a viewer, ms: p50, p99, last",
            f"{ms(percentile(each, 50))}, {ms(percentile(each, 99))}, {ms(percentile(each, 100))}",
            "p99 ≤ 1000",
        ),
        (
            "POST → the last viewer, ms: p50, p99",
            f"{ms(percentile(last, 50))}, {ms(percentile(last, 99))}",
            "",
        ),
        ("CPU for the talk, cores", f"{cpu:.2f}", "≤ 0.50"),
        (
            "viewers who got every message once and in one order",
            f"{right} of {viewers} ({len(orders)} different orders, {len(answer['frames'])} frames)",
            f"{viewers}",
        ),
    ]


def beside_nchan(
    viewers: int, posts: Sequence[Post], answer: Answer, cpu: float
) -> list[tuple[str, str, str]]:
    """Publish the same frames at the same moments, and compare."""
    frames = [frame for frame in answer["frames"] if frame["at"]]
    with nchan.nchan(viewers) as server, load_generator() as load:
        publisher = nchan.Publisher(server.port)
        publisher.publish("[]")  # as in Efir, a new subscriber gets something at once
        opened = load.open_streams([(server.port, get_stream("/stream"))] * viewers)
        if opened["errors"]:
            warn(f"nchan: {opened['errors']}")
        time.sleep(2)
        before = server.cpu_s()
        time.sleep(IDLE_S)
        quiet = (server.cpu_s() - before) / IDLE_S
        ready = [min(frame["at"]) for frame in frames]
        published = []
        with load.listening(END) as heard:
            before, began = server.cpu_s(), time.monotonic() + 0.1
            for frame, moment in zip(frames, ready, strict=True):
                time.sleep(max(0.0, began + moment - ready[0] - time.monotonic()))
                publisher.connect()
                published.append(time.monotonic())
                publisher.publish(frame["data"])
            peer_cpu = (server.cpu_s() - before) / (time.monotonic() - began) - quiet
            publisher.connect()
            publisher.publish(json.dumps([{"id": 0, "text": END}], ensure_ascii=False))
    by_data = {frame["data"]: frame["at"] for frame in heard.answer["frames"]}
    sent = {post.id: post.sent_at for post in posts if post.status == 201}
    # Each message waits for its frame as long as it did here; from then on nchan delivers it.
    peer = sorted(
        moment - sent_at + (at - handed)
        for frame, moment, handed in zip(frames, ready, published, strict=True)
        for number in frame["ids"]
        if (sent_at := sent.get(number))
        for at in by_data.get(frame["data"], ())
    )
    each, _last = latencies(posts, answer)
    own_fan_out = median(
        [percentile(sorted(at - min(frame["at"]) for at in frame["at"]), 99) for frame in frames]
    )
    peers_fan_out = median(
        [
            percentile(sorted(at - handed for at in by_data[frame["data"]]), 99)
            for frame, handed in zip(frames, published, strict=True)
            if frame["data"] in by_data
        ]
    )
    ratio = percentile(each, 99) / percentile(peer, 99)
    return [
        (
            "p99 against nchan with the same frames",
            f"{ms(percentile(each, 99))} and {ms(percentile(peer, 99))} ms: {ratio:.2f} ×",
            "≤ 1.20 ×",
        ),
        ("p99 of handing out one frame, ms", f"{ms(own_fan_out)}; nchan {ms(peers_fan_out)}", ""),
        ("CPU against nchan, cores", f"{cpu:.2f} and {peer_cpu:.2f}: {cpu / peer_cpu:.2f} ×", ""),
    ]


def flood(room: Room, load: LoadGenerator) -> list[tuple[str, str, str]]:
    """Flood the room, and change its state meanwhile."""
    webinar = Webinar.objects.get(pk=room.webinar.pk)
    speaker = Speaker(webinar, room.server.port, room.speaker)

    def press() -> float:
        return percentile(load.hear(speaker.connect(), speaker.toggle_cta).after_s, 100)

    press()
    quiet = [press() for _ in range(PRESSES)]
    result: list[Post] = []
    writing = threading.Thread(
        target=lambda: result.extend(room.write(room.writers, FLOOD_PER_SECOND, FLOOD_S))
    )
    writing.start()
    time.sleep(1)
    flooded = []
    while writing.is_alive():
        flooded.append(press())
        time.sleep(0.2)
    writing.join()
    statuses = {
        status: sum(post.status == status for post in result) for status in {post.status for post in result}
    }
    delay = median(flooded) - median(quiet)
    return [
        (
            f"flood of {FLOOD_PER_SECOND} a second for {FLOOD_S:.0f} s: accepted a second",
            f"{statuses.get(201, 0) / FLOOD_S:.1f} ({statuses})",
            f"{PER_SECOND}",
        ),
        (
            "a change of state to the last viewer, ms (median): quiet, flooded, delay",
            f"{ms(median(quiet))}, {ms(median(flooded))}, {ms(delay)}",
            "delay ≤ 50",
        ),
    ]


def hiding(room: Room, load: LoadGenerator) -> list[tuple[str, str, str]]:
    """Hide messages: how soon every page has it."""
    took = []
    for _ in range(HIDDEN):
        time.sleep(6)  # three messages in five seconds
        post = room.say(room.speaker, "Скрыть")
        time.sleep(2)
        marker = f'"id":{post.id},"kind":"message","text":""'
        took.append(percentile(load.hear(marker, lambda: room.hide(post.id)).after_s, 100))  # noqa: B023  # called at once
    return [("a hidden message is gone from the last page, ms", ms(max(took)), "≤ 1000")]


def coming_back(room: Room, cookies: Sequence[str]) -> list[tuple[str, str, str]]:
    """Let viewers go away and come back by `Last-Event-ID`."""
    known = [read_stream(room, cookie) for cookie in cookies]
    posts = room.write(room.writers[:WRITERS], 3, AWAY_S)
    accepted = sorted(post.id for post in posts if post.status == 201)
    time.sleep(1)
    wrong = 0
    for cookie, (_ids, last_event) in zip(cookies, known, strict=True):
        ids, _ = read_stream(room, cookie, last_event)
        wrong += ids != accepted[-100:]
    return [
        (
            f"{len(cookies)} viewers back after {AWAY_S:.0f} s: with a gap or a double",
            f"{wrong} ({len(accepted)} messages meanwhile)",
            "0",
        )
    ]


def read_stream(room: Room, cookie: str, last_event: str = "") -> tuple[list[int], str]:
    """Open a stream and read what it begins with: the ids of the messages, and the id of the event."""
    request = get_stream(room_stream(room.webinar), cookie)
    if last_event:
        request = request.replace("\r\n\r\n", f"\r\nLast-Event-ID: {last_event}\r\n\r\n")
    received = b""
    with socket.create_connection(("127.0.0.1", room.server.port), timeout=5) as connection:
        connection.sendall(request.encode())
        connection.settimeout(1.0)
        try:
            while b"event: messages" not in received or not received.endswith(b"\n\n"):
                received += connection.recv(1 << 20)
        except TimeoutError:
            pass
    ids: list[int] = []
    for event in received.split(b"\n\n"):
        lines = dict(line.split(b": ", 1) for line in event.splitlines() if b": " in line)
        if lines.get(b"event") == b"messages":
            ids += [message["id"] for message in json.loads(lines[b"data"])]
            last_event = lines[b"id"].decode()
    return ids, last_event
