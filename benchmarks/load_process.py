"""The load generator's process: thousands of connections with epoll and without Django.

It takes a command as a line of JSON, carries it out and answers with a line of JSON that includes the CPU time it took.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.load import HOST, Answer, raise_file_limit

READ_BYTES = 65536
MAX_CONNECTING = 200  # streams that connect at the same time, below any listen backlog
ANSWER_WITHIN_S = 120.0
HEAR_WITHIN_S = 60.0
LISTEN_WITHIN_S = 300.0
QUIET_S = 0.05
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


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
