"""A TCP relay in front of a site. It can drop streams silently, as a NAT does: neither end is notified."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator


class Relay(socketserver.ThreadingTCPServer):
    """Forwards every connection to a port of this machine. A stream's can be lost; other pages' are never."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, to_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.to_port = to_port
        self.port: int = self.server_address[1]
        self.lost = threading.Event()

    def lose_streams(self) -> None:
        """From now on swallow what comes over the connections of open streams, in both directions. New ones work."""
        lost, self.lost = self.lost, threading.Event()
        lost.set()


class _Handler(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server.to_port)) as site,
        ):
            line = _Line(self.server, self.request, site)
            back = threading.Thread(target=line.forward, args=(site, self.request), daemon=True)
            back.start()
            line.forward(self.request, site)
            back.join()


class _Line:
    """One connection, and the event that loses it once it carries a stream."""

    def __init__(self, relay: Relay, browser: socket.socket, site: socket.socket) -> None:
        self.relay, self.browser, self.site = relay, browser, site
        self.lost = threading.Event()

    def forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if source is self.browser and b"/stream" in chunk.partition(b"\r\n")[0]:
                    self.lost = self.relay.lost
                if not self.lost.is_set():
                    target.sendall(chunk)
            if not self.lost.is_set():
                target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def relaying(to_port: int) -> Iterator[Relay]:
    """Relay in a thread while the block runs."""
    with Relay(to_port) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        try:
            yield relay
        finally:
            relay.shutdown()
