"""The network under one stream: until when its viewer was certainly there.

A phone out of coverage says no goodbye. What it acknowledged last is the evidence: the kernel knows when that was.
"""

from __future__ import annotations

import errno
import socket
import struct
from asyncio import BaseTransport, Protocol, Transport
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

EXTENSION = "efir.line"

# struct tcp_info (linux/tcp.h): eight bytes of flags, then 32-bit fields.
_FLAGS = 8
_LAST_ACK_RECV_MS = 12
_LENGTH = _FLAGS + 4 * (_LAST_ACK_RECV_MS + 1)


# What the kernel says when it gives up: that nothing was acknowledged, or what a router on the way told it.
_GIVEN_UP = frozenset({errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})


@dataclass
class Line:
    """One connection, as Efir's own server offers it in the ASGI scope.

    `take_over` ends the server's part in it: the given protocol has the transport from then on, or None where the
    connection is gone. `lost` is the error that ended it, if one did.
    """

    transport: BaseTransport
    take_over: Callable[[Protocol], Transport | None]
    lost: Exception | None = None

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Line | None:
        """The line under this request; None where another server carries it."""
        line: Line | None = scope.get("extensions", {}).get(EXTENSION)
        return line


class Watched:
    """One stream's line, looked at now and then."""

    def __init__(self, line: Line, now: datetime) -> None:
        self._line = line
        self._acknowledged = now

    def look(self, now: datetime) -> None:
        """Note when the viewer acknowledged something last; called before each keep-alive."""
        self._acknowledged = max(self._acknowledged, self._acknowledged_until(now))

    def last_sign(self, now: datetime) -> datetime:
        """When the viewer was there last, once the stream has ended: now, unless the kernel gave up on them."""
        lost = self._line.lost
        return self._acknowledged if isinstance(lost, OSError) and lost.errno in _GIVEN_UP else now

    def _acknowledged_until(self, now: datetime) -> datetime:
        info = self._tcp_info()
        if len(info) < _LENGTH:
            return now
        (ago_ms,) = struct.unpack_from("I", info, _FLAGS + 4 * _LAST_ACK_RECV_MS)
        return now - timedelta(milliseconds=ago_ms)

    def _tcp_info(self) -> bytes:
        connection = self._line.transport.get_extra_info("socket")
        if connection is None or not hasattr(socket, "TCP_INFO"):
            return b""
        try:
            info: bytes = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:
            return b""
        return info
