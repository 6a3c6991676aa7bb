"""What `HttpProtocol` relies on in uvicorn, tested against the pinned version over real sockets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from efir.lib.asgi import HAND_OVER, PREPARED, head_of, send_response
from efir.room.socket_viewer import SEND_BUFFER_BYTES, SocketPoller, SocketViewer
from efir.room.viewer import KEEP_ALIVE
from efir.server.web import WebServer, listen

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class NoHub:
    """A hub: the server only asks it to close."""

    def close(self) -> None:
        pass


class HandoverApplication:
    """An application that takes every connection over; it keeps its viewers, and the moments at which they left."""

    def __init__(self) -> None:
        self.viewers: list[SocketViewer] = []
        self.left: list[object] = []
        self.arrived = asyncio.Event()
        self.gone = asyncio.Event()
        self.poller: SocketPoller | None = None

    async def __call__(self, scope, receive, send) -> None:
        self.hand_over = scope["extensions"][HAND_OVER]
        self.poller = self.poller or SocketPoller(self._note)
        viewer = SocketViewer(len(self.viewers), "", self.poller, self.hand_over())
        viewer.open()
        self.viewers.append(viewer)
        self.arrived.set()

    def _note(self, viewer, until) -> None:
        self.left.append(until)
        self.gone.set()


async def prepared(scope, receive, send) -> None:
    """Answer with the path, in one write."""
    body = scope["path"].encode()
    head = head_of(200, [(b"content-length", b"%d" % len(body))])
    scope["extensions"][PREPARED](head, [(b"x-more", b"1")], body)


@pytest.fixture
def scenario():
    """Return a function that runs a coroutine with the application, the server and the port."""

    def run(body, app=None):
        async def main():
            listening = listen("127.0.0.1", 0)
            nonlocal app
            app = app or HandoverApplication()
            server = WebServer(app, NoHub())
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                return await asyncio.wait_for(body(app, server, listening.getsockname()[1]), 30)
            finally:
                server.should_exit = True
                await asyncio.wait_for(serving, 30)

        return asyncio.run(main())

    return run


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    return reader, writer


def test_handed_over_connection_belongs_to_the_stream(scenario):
    async def body(app, server, port):
        reader, writer = await connected(port)
        head = await reader.readuntil(b"\r\n\r\n")
        await app.arrived.wait()
        while server.server_state.tasks:
            await asyncio.sleep(0.01)
        app.viewers[0].send(b"data: {}\n\n")
        message = await reader.readuntil(b"\n\n")
        connections = set(server.server_state.connections)
        writer.close()
        await app.gone.wait()
        return head, message, connections

    head, message, connections = scenario(body)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in head
    assert b"transfer-encoding" not in head
    assert message == b"data: {}\n\n"
    assert connections == set()


def test_last_message_ends_the_stream(scenario):
    async def body(app, server, port):
        reader, _ = await connected(port)
        await app.arrived.wait()
        app.viewers[0].send(b"data: bye\n\n", last=True)
        received = await reader.read()
        await app.gone.wait()
        return received

    assert scenario(body).endswith(b"\r\n\r\ndata: bye\n\n")


def test_slow_reader_is_dropped(scenario):
    async def body(app, server, port):
        stuck = socket.create_connection(("127.0.0.1", port))
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(REQUEST)
        await app.arrived.wait()
        while not app.left:
            app.viewers[0].send(b"x" * SEND_BUFFER_BYTES)
            await asyncio.sleep(0)
        stuck.close()
        return len(app.left)

    assert scenario(body) == 1


def test_keep_alive_is_an_event_without_data(scenario):
    async def body(app, server, port):
        reader, _ = await connected(port)
        await app.arrived.wait()
        app.viewers[0].keep_alive()
        await reader.readuntil(b"\r\n\r\n")
        return await reader.readuntil(b"\n\n")

    assert scenario(body) == KEEP_ALIVE
    assert KEEP_ALIVE == b"event: keep-alive\ndata:\n\n"


def test_closed_connection_is_not_handed_over(scenario):
    async def body(app, server, port):
        _, writer = await connected(port)
        await app.arrived.wait()
        writer.close()
        await app.gone.wait()
        return app.hand_over()

    assert scenario(body) is None


def test_prepared_response_keeps_the_connection(scenario):
    async def body(app, server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        for path in (b"/1", b"/22"):
            writer.write(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            head = await reader.readuntil(b"\r\n\r\n")
            answers.append((head, await reader.readexactly(len(path))))
        while server.server_state.tasks:
            await asyncio.sleep(0.01)
        return answers, server.server_state.total_requests

    answers, total = scenario(body, prepared)
    assert [text for _, text in answers] == [b"/1", b"/22"]
    for head, _ in answers:
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\ndate: " in head
        assert b"\r\nx-more: 1\r\n" in head
        assert b"connection: close" not in head
    assert total == 2


def test_pipelined_requests_are_answered_in_order(scenario):
    async def body(app, server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        paths = [b"/%d" % number for number in range(5)]
        last = b"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        writer.write(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in paths) + last)
        return (await reader.read()).split(b"HTTP/1.1 200 OK\r\n")[1:]

    answers = scenario(body, prepared)
    assert [send_response.rpartition(b"\r\n\r\n")[2] for send_response in answers] == [
        *(b"/%d" % number for number in range(5)),
        b"/end",
    ]
    assert [b"connection: close" in send_response for send_response in answers] == [False] * 5 + [True]


def test_unread_responses_do_not_pile_up(scenario):
    async def body(app, server, port):
        idle = socket.create_connection(("127.0.0.1", port))
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        await app.behind.wait()
        idle.close()
        return app.sent

    class Megabytes:
        """Answer each request with a megabyte, until the reader has fallen behind."""

        sent = 0
        behind = asyncio.Event()

        async def __call__(self, scope, receive, send) -> None:
            body = b"x" * 2**20
            if scope["extensions"][PREPARED](
                head_of(200, [(b"content-length", b"%d" % len(body))]), (), body
            ):
                self.sent += 1
            else:
                self.behind.set()
                await send_response(send, 200, [(b"content-length", b"0")])

    assert scenario(body, Megabytes()) < 20
