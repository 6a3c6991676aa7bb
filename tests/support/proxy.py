"""A small real proxy: forwards plain HTTP, tunnels CONNECT and speaks SOCKS5, each with a name and a password."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

USER, PASSWORD = "efir", "proxys-own-password"
_BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode())


@dataclass
class Proxy:
    """The proxy's address, and the connections that it forwarded: (method, host:port)."""

    port: int
    through: list[tuple[str, str]] = field(default_factory=list)
    refused: int = 0

    def address(self, scheme: str = "http", password: str = PASSWORD) -> str:
        return f"{scheme}://{USER}:{password}@127.0.0.1:{self.port}"


@contextlib.contextmanager
def proxying() -> Iterator[Proxy]:
    """Run a proxy while the block runs."""
    proxy = Proxy(0)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                _serve(self.request, proxy)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()


def _serve(client: socket.socket, proxy: Proxy) -> None:
    if client.recv(1, socket.MSG_PEEK) == b"\x05":
        _socks(client, proxy)
    else:
        _http(client, proxy)


def _http(client: socket.socket, proxy: Proxy) -> None:
    head, rest = _head(client)
    if not head:
        return
    method, target, _ = head.split(b"\r\n")[0].split(b" ")
    if b"basic " + _BASIC.lower() not in head.lower():
        proxy.refused += 1
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    elif method == b"CONNECT":
        proxy.through.append(("tunnel", target.decode()))
        with _connected(target.decode()) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            _relay(client, server)
    else:
        address = urlsplit(target.decode())
        proxy.through.append(("forward", address.netloc))
        with _connected(address.netloc) as server:
            server.sendall(head.replace(target, address.path.encode(), 1) + rest)
            _relay(client, server)


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = client.recv(65536)
        if not chunk:
            return b"", b""
        received += chunk
    head, _, rest = received.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _socks(client: socket.socket, proxy: Proxy) -> None:
    """Serve SOCKS5 (RFC 1928) with a name and a password (RFC 1929)."""
    _, methods = _exactly(client, 2)
    _exactly(client, methods)
    client.sendall(b"\x05\x02")
    _, length = _exactly(client, 2)
    name = _exactly(client, length)
    password = _exactly(client, _exactly(client, 1)[0])
    if (name.decode(), password.decode()) != (USER, PASSWORD):
        proxy.refused += 1
        client.sendall(b"\x01\x01")
        return
    client.sendall(b"\x01\x00")
    _, _, _, kind = _exactly(client, 4)
    host = socket.inet_ntoa(_exactly(client, 4)) if kind == 1 else _named(client)
    target = f"{host}:{int.from_bytes(_exactly(client, 2))}"
    proxy.through.append(("socks5", target))
    with _connected(target) as server:
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        _relay(client, server)


def _named(client: socket.socket) -> str:
    return _exactly(client, _exactly(client, 1)[0]).decode()


def _exactly(client: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        chunk = client.recv(count - len(received))
        if not chunk:
            raise ConnectionError
        received += chunk
    return received


def _connected(target: str) -> socket.socket:
    host, _, port = target.rpartition(":")
    return socket.create_connection((host, int(port)))


def _relay(one: socket.socket, other: socket.socket) -> None:
    while True:
        readable, _, _ = select.select([one, other], [], [])
        for source in readable:
            chunk = source.recv(65536)
            if not chunk:
                return
            (other if source is one else one).sendall(chunk)
