"""Many connections in one loop, with nothing between it and the kernel: sockets that do not block, and epoll.

All of it runs in the load generator's own process and knows nothing of Django or of Efir.
"""

from __future__ import annotations

import os
import re
import resource
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

HOST = "127.0.0.1"
READ_BYTES = 65536
SPARE_FILES = 500
_OK = b"HTTP/1.1 200"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


def raise_file_limit() -> int:
    """Let this process, and those it starts, have as many open files as the system allows; how many that is."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def is_whole(received: bytes) -> bool:
    """An answer with its length has come to its end."""
    head = received.find(b"\r\n\r\n")
    length = _LENGTH.search(received, 0, head + 2) if head >= 0 else None
    return length is not None and len(received) >= head + 4 + int(length[1])


def is_open(received: bytes) -> bool:
    """A stream has said its first message."""
    return b"\ndata: " in received


@dataclass(slots=True)
class Visit:
    """One request on a connection of its own. `due` is when it should have begun, `ended` when it had its answer."""

    port: int
    request: bytes
    has_enough: Callable[[bytes], bool]
    due: float
    owner: int = 0
    ended: float = 0.0
    error: str = ""
    received: bytes = b""

    @property
    def took_s(self) -> float:
        return self.ended - self.due


@dataclass
class Loop:
    """The visits that wait for their answers, and the streams that stay open afterwards."""

    streams: dict[int, tuple[socket.socket, int]] = field(default_factory=dict)
    lost: int = 0
    _visits: dict[int, tuple[socket.socket, Visit]] = field(default_factory=dict)
    _epoll: select.epoll = field(default_factory=select.epoll)

    @property
    def waiting(self) -> int:
        """How many visits have no answer yet."""
        return len(self._visits)

    def begin(self, visit: Visit) -> None:
        """Connect; the request goes out when the connection is there."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex((HOST, visit.port))
        self._visits[connection.fileno()] = connection, visit
        self._epoll.register(connection, select.EPOLLOUT)

    def turn(self, within_s: float) -> list[Visit]:
        """Wait for something to happen; the visits that ended. Of a stream, what comes is read and thrown away."""
        ended = []
        for number, event in self._epoll.poll(max(within_s, 0)):
            if number in self.streams:
                self._read_stream(number)
            elif (visit := self._go_on(number, event)) is not None:
                ended.append(visit)
        return ended

    def hear(self, marker: bytes, within_s: float) -> dict[int, list[float]]:
        """Wait until every open stream has brought `marker`: port → when each of its streams did."""
        at: dict[int, list[float]] = {}
        tails: dict[int, bytes] = {}
        missing = {number: port for number, (_connection, port) in self.streams.items()}
        deadline = time.monotonic() + within_s
        while missing and (left := deadline - time.monotonic()) > 0:
            for number, _event in self._epoll.poll(left):
                received = self._read_stream(number)
                if number not in missing:
                    continue
                if marker in tails.pop(number, b"") + received:
                    at.setdefault(missing.pop(number), []).append(time.monotonic())
                elif received:
                    tails[number] = received[-len(marker) :]
                else:
                    del missing[number]
        return at

    def give_up(self) -> Counter[str]:
        """Leave every visit that has no answer; their number, as errors."""
        unanswered = Counter({"no answer": len(self._visits)} if self._visits else {})
        for connection, _visit in self._visits.values():
            connection.close()
        self._visits.clear()
        return unanswered

    def _read_stream(self, number: int) -> bytes:
        try:
            received = os.read(number, READ_BYTES)
        except ConnectionError:
            received = b""
        if not received:
            self.streams.pop(number)[0].close()
            self.lost += 1
        return received

    def _go_on(self, number: int, event: int) -> Visit | None:
        _connection, visit = self._visits[number]
        try:
            if not visit.received and event & select.EPOLLOUT:
                os.write(number, visit.request)
                self._epoll.modify(number, select.EPOLLIN)
                return None
            received = os.read(number, READ_BYTES)
        except OSError as exc:
            return self._end(number, error=type(exc).__name__)
        visit.received += received
        if received and not visit.received.startswith(_OK):
            return self._end(number, error=visit.received[9:12].decode("latin-1"))
        if visit.has_enough(visit.received):
            return self._end(number)
        return None if received else self._end(number, error="ended early")

    def _end(self, number: int, error: str = "") -> Visit:
        connection, visit = self._visits.pop(number)
        visit.ended, visit.error = time.monotonic(), error
        if visit.has_enough is is_open and not error:
            self.streams[number] = connection, visit.port
        else:
            connection.close()
        return visit
