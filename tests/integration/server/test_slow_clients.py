"""Clients that send slowly or not at all, over real sockets: each is cut off, and nobody else is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from django.conf import settings as django_settings
from django.test import Client

from efir.accounts.capabilities import Role
from efir.edge import body_limit
from efir.edge.body_limit import LARGEST_FORM, LARGEST_UPLOAD, BodyLimitMiddleware, longest_s
from efir.lib.asgi import send_response
from efir.room import hub as hub_module
from efir.room.socket_viewer import SocketPoller, SocketViewer
from efir.server import web
from efir.server.web import HAND_OVER, WebServer, listen

pytestmark = pytest.mark.one_database

WITHIN_S = 60
GET = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


class NoHub:
    """A hub: the server only asks it to close."""

    def close(self) -> None:
        pass


class Application:
    """Reads each body and answers with its length; hands `/stream` over."""

    def __init__(self) -> None:
        self.bodies_begun = 0
        self.viewer: SocketViewer | None = None

    async def __call__(self, scope, receive, send) -> None:
        if scope["path"] == "/stream":
            poller = SocketPoller(lambda *_: None)
            self.viewer = SocketViewer(1, "", poller, scope["extensions"][HAND_OVER]())
            return self.viewer.open()
        length, more = 0, scope["path"] != "/unread"
        while more:
            message = await receive()
            length += len(message.get("body", b""))
            more = message.get("more_body", False)
            self.bodies_begun += bool(more and length)
        body = b"%d" % length
        return await send_response(send, 200, [(b"content-length", b"%d" % len(body))], body)


@asynccontextmanager
async def serving(app):
    """Serve the application behind the limits of bodies; yield a function that connects and sends."""
    listening = listen("127.0.0.1", 0)
    server = WebServer(BodyLimitMiddleware(app), NoHub())
    task = asyncio.create_task(server.serve(sockets=[listening]))
    writers = []

    async def connect(*pieces: bytes):
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1])
        writers.append(writer)
        writer.write(b"".join(pieces))
        return reader, writer

    try:
        async with asyncio.timeout(WITHIN_S):
            yield connect
    finally:
        for writer in writers:
            writer.close()
        server.should_exit = True
        await task


def post(path: str, length: int | None, *lines: str) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", size, *lines, "", ""]).encode()


async def status_of(reader) -> int:
    return int((await reader.readline()).split()[1])


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(web, "HEAD_TIMEOUT_S", 0.1)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"GET /page HT",
        GET[:-2] + b"X-Half: a",
        b"POST /page HTTP/1.1\r\n",
    ],
    ids=["silence", "empty line", "request line", "headers", "half a post"],
)
def test_connection_without_a_whole_head_is_closed(impatient, sent):
    async def scenario():
        async with serving(Application()) as connect:
            reader, _ = await connect(sent)
            return await reader.read()

    assert asyncio.run(scenario()) == b""


@pytest.mark.parametrize("then", [b"\r\n", b"GET /page HT"])
def test_connection_is_closed_without_a_second_head(impatient, then):
    async def scenario():
        async with serving(Application()) as connect:
            reader, writer = await connect(GET)
            await reader.readuntil(b"\r\n\r\n0")
            writer.write(then)
            return await reader.read()

    assert asyncio.run(scenario()) == b""


def test_body_that_goes_on_after_the_response_is_cut_off(impatient):
    async def trickle(writer):
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.01)

    async def scenario():
        async with serving(Application()) as connect:
            reader, writer = await connect(post("/unread", LARGEST_FORM))
            await reader.readuntil(b"\r\n\r\n0")
            sending = asyncio.create_task(trickle(writer))
            with suppress(ConnectionError):
                assert await reader.read() == b""
            sending.cancel()

    asyncio.run(scenario())


def test_stream_outlives_the_deadline_for_heads(impatient):
    async def scenario():
        app = Application()
        async with serving(app) as connect:
            reader, _ = await connect(GET.replace(b"/page", b"/stream"))
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(3):  # each takes as long as the deadline
                silent, _ = await connect()
                assert await silent.read() == b""
            app.viewer.send(b"data: {}\n\n")
            return await reader.readuntil(b"\n\n")

    assert asyncio.run(scenario()) == b"data: {}\n\n"


@pytest.mark.parametrize("path", ["/page", "/login/", "/admin_webinar/new/"])
@pytest.mark.parametrize("length", [1000, None])
@pytest.mark.django_db(transaction=True)
def test_body_without_an_end_is_refused(monkeypatch, path, length):
    monkeypatch.setattr(body_limit, "ALLOWANCE_S", 0.1)

    async def scenario():
        async with serving(Application()) as connect:
            reader, _ = await connect(post(path, length), b"5\r\nabcde\r\n")
            return await reader.read()

    answer = asyncio.run(scenario())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "слишком медленно" in answer.decode()


def test_body_in_many_pieces_passes():
    async def scenario():
        async with serving(Application()) as connect:
            reader, writer = await connect(post("/page", 50))
            for _ in range(50):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0)
            await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(2)

    assert asyncio.run(scenario()) == b"50"


def test_throttled_phone_line_is_fast_enough():
    """64 kbit/s, a poster of the largest size, and a break of ten seconds at the beginning."""
    for received in range(0, LARGEST_UPLOAD, 10_000):
        assert longest_s(received) > 10 + received / 8000
    assert longest_s(LARGEST_FORM) < 90


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "case",
    [
        (None, "/admin_webinar/new/", 413),
        (Role.CANDIDATE, "/admin_webinar/new/", 413),
        (Role.PARTNER, "/admin_webinar/1/", 413),
        (Role.SPEAKER, "/admin_webinar/new/", 200),
        (Role.SPEAKER, "/admin_webinar/1/", 200),
        (Role.SPEAKER, "/admin_webinar/1/start", 413),
        (Role.SPEAKER, "/login/", 413),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_large_body_needs_a_session_that_may_upload(monkeypatch, make_person, case, declared):
    role, path, status = case
    monkeypatch.setattr(hub_module, "_hub", None)
    cookie = ""
    if role:
        client = Client()
        client.force_login(make_person(role))
        cookie = f"Cookie: {django_settings.SESSION_COOKIE_NAME}={client.session.session_key}"
    size = LARGEST_FORM + 1
    body = b"x" * size if declared else b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)

    async def scenario():
        async with serving(Application()) as connect:
            reader, _ = await connect(post(path, size if declared else None, *filter(None, [cookie])), body)
            return await status_of(reader), (await reader.read(2000)).decode()

    answered, text = asyncio.run(scenario())
    assert answered == status
    if role is None:
        assert "Войдите ещё раз" in text


@pytest.mark.parametrize("forwarded", ["", "X-Forwarded-For: 198.51.100.7"])
def test_unfinished_bodies_of_one_address_are_bounded(monkeypatch, settings, forwarded):
    monkeypatch.setattr(body_limit, "MAX_UNFINISHED_PER_ADDRESS", 3)
    monkeypatch.setattr(body_limit, "DRAIN_TIMEOUT_S", 0.1)
    settings.EFIR = replace(settings.EFIR, trusted_proxies=1 if forwarded else 0)
    lines = [forwarded] if forwarded else []

    async def scenario():
        app = Application()
        async with serving(app) as connect:
            slow = [await connect(post("/page", 10, *lines), b"x") for _ in range(3)]
            while app.bodies_begun < 3:
                await asyncio.sleep(0.01)
            reader, _ = await connect(post("/page", 10, *lines), b"x")
            answers = [await reader.read()]
            # A body that comes whole needs no place, and another address has places of its own.
            reader, _ = await connect(post("/page", 3, *lines), b"abc")
            answers.append(await reader.readuntil(b"\r\n\r\n3"))
            if forwarded:
                reader, writer = await connect(post("/page", 10, "X-Forwarded-For: 203.0.113.9"), b"x")
                while app.bodies_begun < 4:
                    await asyncio.sleep(0.01)
                writer.write(b"x" * 9)
                answers.append(await reader.readuntil(b"\r\n\r\n10"))
            # A body that ends gives its place back.
            slow[0][1].write(b"x" * 9)
            await slow[0][0].readuntil(b"\r\n\r\n10")
            slow[1][1].close()
            reader, writer = await connect(post("/page", 10, *lines), b"x")
            begun = app.bodies_begun
            while app.bodies_begun == begun:
                await asyncio.sleep(0.01)
            writer.write(b"x" * 9)
            answers.append(await reader.readuntil(b"\r\n\r\n10"))
            return answers

    refused, *passed = asyncio.run(scenario())
    assert refused.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: " in refused
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in passed)


def test_form_waits_in_memory_and_a_poster_on_the_disk():
    assert django_settings.FILE_UPLOAD_MAX_MEMORY_SIZE == LARGEST_FORM
