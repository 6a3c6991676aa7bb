"""Streams on bare connections: written to directly, and polled all together.

Efir's own server hands a connection over: from then on neither the server nor the event loop holds an object for it,
and a viewer is a file descriptor. The kernel's send buffer is the bounded buffer of each viewer.
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
from efir.lib.sockets import write_now
from efir.room.viewer import HEADERS, MAX_QUEUED_BYTES, Viewer

# The send buffer. A viewer who reads so slowly that a state does not fit is disconnected, and gets a snapshot on
# reconnecting.
SEND_BUFFER_BYTES = 64 * 1024
# Connections handled in one batch, before the event loop does other work.
POLL_BATCH = 500
# The kernel gave the connection up: nothing was acknowledged, or a router reported the host unreachable.
LOST = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})
FULL = errno.EAGAIN
# The other side has closed, or the connection is broken.
ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

# The stream ends with the connection, so there is no length and no message is wrapped in a chunk.
_HEAD = head_of(200, [*HEADERS, (b"connection", b"close")]) + b"\r\n"
# struct tcp_info (linux/tcp.h): eight bytes of flags, then 32-bit fields.
_LAST_ACK_RECV = 8 + 4 * 12


class SocketPoller:
    """Polls the connections that this process has taken over; to the event loop they are one file.

    `on_gone` is called once for each viewer, with the moment at which the viewer was last seen alive.
    """

    def __init__(self, on_gone: Callable[[Viewer, datetime], None]) -> None:
        self.on_gone = on_gone
        self._epoll = select.epoll()
        self._viewers: dict[int, SocketViewer] = {}
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._poll)

    def add(self, fd: int, viewer: SocketViewer) -> None:
        """Watch for the end of this connection."""
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLRDHUP)
        self._viewers[fd] = viewer

    def watch_for_space(self, fd: int, *, on: bool) -> None:
        """Call the viewer's `on_writable` when the send buffer of this connection has space; or stop doing so."""
        self._epoll.modify(fd, select.EPOLLIN | select.EPOLLRDHUP | (select.EPOLLOUT if on else 0))

    def drop(self, fd: int) -> None:
        """Stop watching this connection."""
        if self._viewers.pop(fd, None):
            self._epoll.unregister(fd)

    def poll_all(self) -> None:
        """Handle every connection that has ended by now."""
        for fd, events in self._epoll.poll(0, max(1, len(self._viewers))):
            # The end comes after any data that it sent.
            while events & ENDED and (viewer := self._viewers.get(fd)) and viewer.on_readable():
                pass

    def _poll(self) -> None:
        for fd, events in self._epoll.poll(0, POLL_BATCH):
            if events & select.EPOLLOUT and (viewer := self._viewers.get(fd)):
                viewer.on_writable()
            if events & ~select.EPOLLOUT and (viewer := self._viewers.get(fd)):
                viewer.on_readable()


class SocketViewer(Viewer):
    """A stream that owns its connection: no coroutine, no buffer and no copy per viewer.

    If the kernel's buffer is full, an event that must not be lost waits in a queue, which few viewers have.
    """

    __slots__ = ("_fd", "_poller", "_waiting")

    def __init__(
        self, person_id: int, session_key: str, poller: SocketPoller, fd: int, *, watching: bool = False
    ) -> None:
        super().__init__(person_id, session_key, watching=watching)
        self._poller = poller
        self._fd = fd
        self._waiting: list[bytes] | None = None

    def is_connected(self) -> bool:
        connection = _socket_of(self._fd)
        try:
            return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError as exc:
            return exc.errno == errno.EAGAIN
        finally:
            connection.detach()  # the descriptor stays open

    def open(self) -> None:
        connection = _socket_of(self._fd)
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            self._poller.add(self._fd, self)
        except OSError as exc:
            return self._end(exc.errno or 0)
        finally:
            connection.detach()  # the descriptor stays open
        return self._write(_HEAD)

    def send(self, message: bytes, *, last: bool = False) -> None:
        if self._waiting is None:
            self._write(message)
        elif last:
            return self._end(FULL)
        else:
            self._wait(message)
        if last:
            self._end(0)
        return None

    def queue(self, event: bytes) -> None:
        if self._waiting is not None:
            return self._wait(event)
        try:
            written = write_now(self._fd, event) if self._fd >= 0 else len(event)
        except BlockingIOError:
            written = 0
        except OSError as exc:
            return self._end(exc.errno or 0)
        if written < len(event):
            self._waiting = [event[written:]]
            self._poller.watch_for_space(self._fd, on=True)
        return None

    def keep_alive(self) -> None:
        if self._waiting is None:
            super().keep_alive()

    def on_writable(self) -> None:
        """Write the queue as far as there is space."""
        while self._waiting:
            try:
                written = write_now(self._fd, self._waiting[0])
            except BlockingIOError:
                return None
            except OSError as exc:
                return self._end(exc.errno or 0)
            if written < len(self._waiting[0]):
                self._waiting[0] = self._waiting[0][written:]
            else:
                del self._waiting[0]
        self._waiting = None
        return self._poller.watch_for_space(self._fd, on=False)

    def _wait(self, message: bytes) -> None:
        if self._waiting is None:
            return None
        self._waiting.append(message)
        return self._end(FULL) if sum(map(len, self._waiting)) > MAX_QUEUED_BYTES else None

    def on_readable(self) -> bool:
        """Read from the viewer, usually the end of the connection. Return whether it was something else."""
        try:
            if os.read(self._fd, 4096):
                return True
            self._end(0)
        except BlockingIOError:
            pass
        except OSError as exc:
            self._end(exc.errno or 0)
        return False

    def _write(self, message: bytes) -> None:
        if self._fd < 0:
            return
        try:
            if write_now(self._fd, message) < len(message):
                self._end(FULL)
        except OSError as exc:  # EAGAIN if the buffer is full
            self._end(exc.errno or 0)

    def _end(self, error: int) -> None:
        """Close the connection; `error` is the errno that ended it, or 0."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        self._waiting = None
        self._poller.drop(fd)
        with _socket_of(fd) as connection:
            until = _last_seen_at(connection, error, clock.now())
            if error == FULL:
                # The last message is cut off: reset, so that the browser does not get a part of it.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._poller.on_gone(self, until)


def _socket_of(fd: int) -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=fd)


def _last_seen_at(connection: socket.socket, error: int, now: datetime) -> datetime:
    """Return when the viewer was last seen alive: now, or at the last acknowledgement if the line is lost or stuck.

    A phone that loses coverage does not close its connection; the kernel knows when it last acknowledged something.
    """
    if error not in LOST | {FULL} or not hasattr(socket, "TCP_INFO"):
        return now
    with suppress(OSError, struct.error):
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        (ago_ms,) = struct.unpack_from("I", info, _LAST_ACK_RECV)
        return now - timedelta(milliseconds=ago_ms)
    return now
