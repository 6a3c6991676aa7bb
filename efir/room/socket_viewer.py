"""Streams on bare connections: written to directly, and watched all together.

Once Efir's own server has handed a connection over, nothing of the server and nothing of the event loop belongs to it:
a viewer is a file descriptor. The kernel's send buffer is the bounded buffer that each has.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from efir.lib import clock
from efir.lib.asgi import head_of
from efir.room.viewer import HEADERS, Viewer

# Who reads so slowly that this much waits in the kernel is dropped, and comes back to a snapshot.
SLOWEST_BYTES = 64 * 1024
AT_ONCE = 500
# What the kernel says when it gives up: that nothing was acknowledged, or what a router on the way told it.
GIVEN_UP = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})
FULL = errno.EAGAIN

# The end of the connection is the end of the stream: no length, and no chunks to wrap each message in.
_HEAD = head_of(200, [*HEADERS, (b"connection", b"close")]) + b"\r\n"
# struct tcp_info (linux/tcp.h): eight bytes of flags, then 32-bit fields.
_LAST_ACK_RECV = 8 + 4 * 12


class SocketPoller:
    """The connections that this process has taken over; the event loop looks at them as at one file.

    `when_gone` is called once for each viewer, with the moment at which they were there last.
    """

    def __init__(self, when_gone: Callable[[Viewer, datetime], None]) -> None:
        self.when_gone = when_gone
        self._epoll = select.epoll()
        self._viewers: dict[int, SocketViewer] = {}
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._look)

    def add(self, fd: int, viewer: SocketViewer) -> None:
        """Watch for the end of this connection."""
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLRDHUP)
        self._viewers[fd] = viewer

    def drop(self, fd: int) -> None:
        """Watch it no more."""
        if self._viewers.pop(fd, None):
            self._epoll.unregister(fd)

    def _look(self) -> None:
        for fd, _events in self._epoll.poll(0, AT_ONCE):
            if viewer := self._viewers.get(fd):
                viewer.look()


class SocketViewer(Viewer):
    """A stream that has its connection to itself: no coroutine, no buffer and no copy while it lives."""

    __slots__ = ("_fd", "_wires")

    def __init__(self, person_id: int, session_key: str, wires: SocketPoller, fd: int) -> None:
        super().__init__(person_id, session_key)
        self._wires = wires
        self._fd = fd

    def open(self) -> None:
        connection = _socket_of(self._fd)
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SLOWEST_BYTES)
            self._wires.add(self._fd, self)
        except OSError as exc:
            return self._end(exc.errno or 0)
        finally:
            connection.detach()  # it was only asked by this name
        return self._write(_HEAD)

    def tell(self, message: bytes, *, last: bool = False) -> None:
        self._write(message)
        if last:
            self._end(0)

    def look(self) -> None:
        """Something came from the viewer: their end, as a rule."""
        try:
            if not os.read(self._fd, 4096):
                self._end(0)
        except BlockingIOError:
            pass
        except OSError as exc:
            self._end(exc.errno or 0)

    def _write(self, message: bytes) -> None:
        if self._fd < 0:
            return
        try:
            if os.write(self._fd, message) < len(message):
                self._end(FULL)
        except OSError as exc:  # a full buffer, too
            self._end(exc.errno or 0)

    def _end(self, error: int) -> None:
        """Close the connection; `error` is why, if there was one."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        self._wires.drop(fd)
        with _socket_of(fd) as connection:
            until = _last_sign(connection, error, clock.now())
            if error == FULL:
                # Cut off in the middle: what waits must not be taken for the rest of a message.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._wires.when_gone(self, until)


def _socket_of(fd: int) -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=fd)


def _last_sign(connection: socket.socket, error: int, now: datetime) -> datetime:
    """When the viewer was there last: now, unless the line is dead or stuck; then, when they acknowledged last.

    A phone out of coverage says no goodbye. What it acknowledged last is the evidence: the kernel knows when that was.
    """
    if error not in GIVEN_UP | {FULL} or not hasattr(socket, "TCP_INFO"):
        return now
    with suppress(OSError, struct.error):
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        (ago_ms,) = struct.unpack_from("I", info, _LAST_ACK_RECV)
        return now - timedelta(milliseconds=ago_ms)
    return now
