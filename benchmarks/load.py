"""The load generator: thousands of connections in a process of its own, with epoll and without Django.

The process (`python -m benchmarks.load`) takes a command as a line of JSON, carries it out and answers with a line of
JSON that includes the CPU time it took. `load_generator()` starts it; `LoadGenerator` is its client.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

HOST = "127.0.0.1"
READ_BYTES = 65536
SPARE_FILES = 500  # descriptors that a process needs besides its connections
MAX_CONNECTING = 200  # streams that connect at the same time, below any listen backlog
ANSWER_WITHIN_S = 120.0
HEAR_WITHIN_S = 60.0
LISTEN_WITHIN_S = 300.0
QUIET_S = 0.05
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)

Answer = dict[str, Any]


def raise_file_limit() -> int:
    """Raise this process's limit of open files to the hard limit, and return it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def get(path: str, cookie: str = "", *, accept: str = "text/html", close: bool = False) -> str:
    """Return a GET request as it goes over the wire."""
    head = [f"GET {path} HTTP/1.1", f"Host: {HOST}", f"Accept: {accept}"]
    head += [f"Cookie: {cookie}"] if cookie else []
    head += ["Connection: close"] if close else []
    return "\r\n".join([*head, "", ""])


def get_stream(path: str, cookie: str = "") -> str:
    """Return the GET request of a stream, as a browser's EventSource sends it."""
    return get(path, cookie, accept="text/event-stream")


@dataclass(frozen=True)
class Heard:
    """When each viewer received a message: seconds since it was asked for, by the port of the viewer's server.

    `cpu_s` is the CPU time of the load generator meanwhile.
    """

    by_port: dict[int, list[float]]
    cpu_s: float

    @property
    def after_s(self) -> list[float]:
        """The times of all viewers, sorted."""
        return sorted(after_s for each in self.by_port.values() for after_s in each)

    @property
    def spread_s(self) -> float:
        """The time from the first viewer to the last."""
        return self.after_s[-1] - self.after_s[0] if self.by_port else math.nan


class Listened:
    """What `LoadGenerator.listening` answers once it is over."""

    answer: Answer


class LoadGenerator:
    """Client of the load generator's process."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands, self._answers = commands, answers

    def open_streams(self, requests: Sequence[tuple[int, str]]) -> Answer:
        """Open a stream for each (port, request). Answers `open`, `errors` and `seconds`."""
        return self._do("open_streams", requests=list(requests))

    def arrive(self, port: int, people: Sequence[tuple[str, str]], per_s: float) -> Answer:
        """Let people (request of the page, request of the stream) arrive at an even pace.

        Answers the times of `pages`, counted from when the page was due, and of `streams`, counted from the page's
        end; `errors` and `seconds`. Nobody waits for those who came before.
        """
        return self._do("arrive", port=port, people=list(people), per_s=per_s)

    def call(self, port: int, requests: Sequence[str], seconds: float) -> Answer:
        """Repeat each request on a connection of its own. Answers `took`, the time of each answer, and `seconds`."""
        return self._do("call", port=port, requests=list(requests), seconds=seconds)

    def hear(self, marker: str, ask: Callable[[], object]) -> Heard:
        """Call `ask` and time when `marker` arrives on each open stream."""
        self._write({"do": "hear", "marker": marker})
        self._read()  # it listens from now on
        asked = time.monotonic()
        ask()
        answer = self._read()
        by_port = {int(port): [moment - asked for moment in at] for port, at in answer["at"].items()}
        return Heard(by_port, answer["cpu_s"])

    @contextmanager
    def listening(self, marker: str) -> Iterator[Listened]:
        """Listen to lists of messages on every stream while the block runs, and on until each has got `marker`.

        `answer` is there afterwards: `frames`, each with its `data`, the `ids` of its messages and the moments `at`
        which it arrived; `orders`, each with the `ids` in order of arrival and the number of `viewers` who got that.
        """
        self._write({"do": "listen", "marker": marker})
        self._read()  # it listens from now on
        listened = Listened()
        yield listened
        listened.answer = self._read()

    def _do(self, command: str, **arguments: object) -> Answer:
        self._write({"do": command, **arguments})
        return self._read()

    def _write(self, command: dict[str, object]) -> None:
        self._commands.write(json.dumps(command) + "\n")
        self._commands.flush()

    def _read(self) -> Answer:
        line = self._answers.readline()
        if not line:
            raise RuntimeError("the load generator ended")
        answer: Answer = json.loads(line)
        return answer


@contextmanager
def load_generator() -> Iterator[LoadGenerator]:
    """Run a load generator while the block runs; afterwards its connections are closed."""
    command = [sys.executable, "-m", "benchmarks.load"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield LoadGenerator(process.stdin, process.stdout)
    finally:
        process.kill()
        process.wait()


# From here on: the load generator's process.


def _is_whole(received: bytes) -> bool:
    head = received.find(b"\r\n\r\n")
    length = _LENGTH.search(received, 0, head + 2) if head >= 0 else None
    return length is not None and len(received) >= head + 4 + int(length[1])


@dataclass(slots=True)
class _Request:
    """A request on a connection of its own; of a stream, the first message is the answer."""

    port: int
    content: bytes
    due: float
    is_stream: bool = False
    person: int = 0
    ended: float = 0.0
    error: str = ""
    received: bytes = b""

    def is_answered(self) -> bool:
        return b"\ndata: " in self.received if self.is_stream else _is_whole(self.received)


class _Connections:
    """Requests that wait for their answers, and the streams that stay open afterwards."""

    def __init__(self) -> None:
        self.streams: dict[int, tuple[socket.socket, int]] = {}  # descriptor → connection, port
        self.waiting: dict[int, tuple[socket.socket, _Request]] = {}
        self._epoll = select.epoll()

    def begin(self, request: _Request) -> None:
        """Connect; the request is sent once the connection is there."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex((HOST, request.port))
        self.waiting[connection.fileno()] = connection, request
        self._epoll.register(connection, select.EPOLLOUT)

    def poll(self, within_s: float) -> list[_Request]:
        """Return the requests that ended. Discard what arrives on streams."""
        ended = []
        for number, event in self._epoll.poll(max(within_s, 0)):
            if number in self.streams:
                self._read_stream(number)
                continue
            connection, request = self.waiting[number]
            try:
                if not request.received and event & select.EPOLLOUT:
                    os.write(number, request.content)
                    self._epoll.modify(number, select.EPOLLIN)
                    continue
                received = os.read(number, READ_BYTES)
            except OSError as exc:
                request.error = type(exc).__name__
            else:
                request.received += received
                if received and not request.received.startswith(b"HTTP/1.1 200"):
                    request.error = request.received[9:12].decode("latin-1")
                elif not request.is_answered():
                    if received:
                        continue
                    request.error = "ended early"
            del self.waiting[number]
            request.ended = time.monotonic()
            if request.is_stream and not request.error:
                self.streams[number] = connection, request.port
            else:
                connection.close()
            ended.append(request)
        return ended

    def drain(self) -> None:
        """Discard what has arrived on streams, until nothing arrives for a moment."""
        while self._epoll.poll(QUIET_S):
            self.poll(0)

    def hear(self, marker: bytes) -> dict[int, list[float]]:
        """Wait until `marker` has arrived on every stream. Return the moments, by port."""
        at: dict[int, list[float]] = {}
        tails: dict[int, bytes] = {}
        missing = {number: port for number, (_connection, port) in self.streams.items()}
        deadline = time.monotonic() + HEAR_WITHIN_S
        while missing and (left := deadline - time.monotonic()) > 0:
            for number, _event in self._epoll.poll(left):
                received = self._read_stream(number)
                if number not in missing:
                    continue
                if marker in tails.pop(number, b"") + received:
                    at.setdefault(missing.pop(number), []).append(time.monotonic())
                elif received:
                    tails[number] = received[-len(marker) :]  # the marker may arrive in two pieces
                else:
                    del missing[number]
        return at

    def listen(self, marker: bytes) -> Answer:
        """Note the lists of messages on every stream until `marker` has arrived on each."""
        frames: list[tuple[bytes, list[float]]] = []
        known: dict[bytes, int] = {}
        got: dict[int, list[int]] = {number: [] for number in self.streams}
        rests: dict[int, bytes] = {}
        missing = set(self.streams)
        deadline = time.monotonic() + LISTEN_WITHIN_S
        while missing and (left := deadline - time.monotonic()) > 0:
            for number, _event in self._epoll.poll(left):
                received = self._read_stream(number)
                now = time.monotonic()
                if not received:
                    missing.discard(number)
                    continue
                if number in rests:
                    received = rests.pop(number) + received
                if received in known:  # as a rule one event, the same for all
                    events = [received]
                else:
                    *events, rest = received.split(b"\n\n")
                    events = [event + b"\n\n" for event in events]
                    if rest:
                        rests[number] = rest
                for event in events:
                    if b"\ndata: [" not in event:
                        continue
                    if event not in known:
                        known[event] = len(frames)
                        frames.append((event, []))
                    index = known[event]
                    frames[index][1].append(now)
                    got[number].append(index)
                    if marker in event:
                        missing.discard(number)
        data = [event.partition(b"\ndata: ")[2].split(b"\n")[0].decode() for event, _at in frames]
        ids = [[message["id"] for message in json.loads(each)] for each in data]
        orders = Counter(tuple(indexes) for indexes in got.values())
        return {
            "frames": [
                {"data": each, "ids": ids[index], "at": [round(moment, 4) for moment in frames[index][1]]}
                for index, each in enumerate(data)
                if marker not in frames[index][0]
            ],
            "orders": [
                {"ids": [number for index in order for number in ids[index]], "viewers": viewers}
                for order, viewers in orders.items()
            ],
        }

    def abandon(self) -> Counter[str]:
        """Close the connections without an answer. Return their number, as errors."""
        errors = Counter({"no answer": len(self.waiting)} if self.waiting else {})
        for connection, _request in self.waiting.values():
            connection.close()
        self.waiting.clear()
        return errors

    def _read_stream(self, number: int) -> bytes:
        try:
            received = os.read(number, READ_BYTES)
        except ConnectionError:
            received = b""
        if not received:
            self.streams.pop(number)[0].close()
        return received


def _open_streams(connections: _Connections, requests: list[tuple[int, str]]) -> Answer:
    began = time.monotonic()
    left = [_Request(port, content.encode(), began, is_stream=True) for port, content in reversed(requests)]
    errors: Counter[str] = Counter()
    while (left or connections.waiting) and time.monotonic() < began + ANSWER_WITHIN_S:
        while left and len(connections.waiting) < MAX_CONNECTING:
            connections.begin(left.pop())
        errors.update(request.error for request in connections.poll(1.0) if request.error)
    errors += connections.abandon()
    return {"open": len(connections.streams), "errors": errors, "seconds": time.monotonic() - began}


def _arrive(connections: _Connections, port: int, people: list[tuple[str, str]], per_s: float) -> Answer:
    began = time.monotonic()
    pages: list[float] = []
    streams: list[float] = []
    errors: Counter[str] = Counter()
    deadline = began + len(people) / per_s + ANSWER_WITHIN_S
    coming = 0
    while (coming < len(people) or connections.waiting) and (now := time.monotonic()) < deadline:
        while coming < len(people) and (due := began + coming / per_s) <= now:
            connections.begin(_Request(port, people[coming][0].encode(), due, person=coming))
            coming += 1
        wait_s = began + coming / per_s - time.monotonic() if coming < len(people) else 1.0
        for request in connections.poll(wait_s):
            if request.error:
                errors[f"{'stream' if request.is_stream else 'page'}: {request.error}"] += 1
                continue
            (streams if request.is_stream else pages).append(request.ended - request.due)
            if not request.is_stream:
                content = people[request.person][1].encode()
                connections.begin(_Request(port, content, request.ended, is_stream=True))
    errors += connections.abandon()
    return {"pages": pages, "streams": streams, "errors": errors, "seconds": time.monotonic() - began}


def _hear(connections: _Connections, marker: str) -> Answer:
    connections.drain()
    print(json.dumps({"ready": True}), flush=True)
    before = time.process_time()
    return {"at": connections.hear(marker.encode()), "cpu_s": time.process_time() - before}


def _listen(connections: _Connections, marker: str) -> Answer:
    connections.drain()
    print(json.dumps({"ready": True}), flush=True)
    return connections.listen(marker.encode())


def _call(_connections: _Connections, port: int, requests: list[str], seconds: float) -> Answer:
    epoll = select.epoll()
    sockets = [socket.create_connection((HOST, port)) for _ in requests]
    contents = {each.fileno(): content.encode() for each, content in zip(sockets, requests, strict=True)}
    asked: dict[int, float] = {}
    for number, content in contents.items():
        epoll.register(number, select.EPOLLIN)
        asked[number] = time.monotonic()
        os.write(number, content)
    took: list[float] = []
    partial: dict[int, bytes] = {}
    began = now = time.monotonic()
    while asked:  # answers to what was asked in time count: the server is busy until the last one
        for number, _event in epoll.poll(1.0):
            received = partial.pop(number, b"") + os.read(number, READ_BYTES)
            if not received.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"the server answered {received[:200]!r}")
            if not _is_whole(received):
                partial[number] = received
                continue
            now = time.monotonic()
            took.append(now - asked.pop(number))
            if now < began + seconds:
                asked[number] = now
                os.write(number, contents[number])
    for each in sockets:
        each.close()
    return {"took": took, "seconds": now - began}


def _main() -> None:
    raise_file_limit()
    connections = _Connections()
    commands: dict[str, Callable[..., Answer]] = {
        "open_streams": _open_streams, "arrive": _arrive, "hear": _hear, "call": _call,
        "listen": _listen,
    }  # fmt: skip
    for line in sys.stdin:
        arguments = json.loads(line)
        before = time.process_time()
        answer = commands[arguments.pop("do")](connections, **arguments)
        print(json.dumps({"cpu_s": time.process_time() - before} | answer), flush=True)


if __name__ == "__main__":
    _main()
