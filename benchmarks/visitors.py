"""Visitors as a browser brings them: cookies, the form's token, one connection, each from an address of their own."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

READ_BYTES = 65536
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_COOKIE = re.compile(rb"\r\nset-cookie: ([^=;\r]+)=([^;\r]*)", re.IGNORECASE)
_TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="(\w+)"')


class UnexpectedAnswer(Exception):
    """Raised if a response is not the one that the visitor needs to continue."""


# What may happen to a visitor: also a connection that fails, and one that is closed in an answer.
FAILURES = (UnexpectedAnswer, OSError, EOFError, asyncio.LimitOverrunError)


@dataclass
class Answer:
    """The status and the body of a response, and how many seconds it took."""

    status: int
    body: bytes
    took_s: float


@dataclass
class Stream:
    """An open stream: its first event, and how many seconds that took."""

    reader: asyncio.StreamReader
    first: bytes
    took_s: float

    async def hear(self, marker: bytes) -> float:
        """Return the moment at which an event with `marker` arrives."""
        while marker not in await self.reader.readuntil(b"\n\n"):
            pass
        return time.monotonic()


@dataclass
class Visitor:
    """One person's browser, with one connection."""

    port: int
    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    _connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, expected: int = 200) -> Answer:
        """Open a page. Raises UnexpectedAnswer."""
        return await self._ask(self._head("GET", path) + "\r\n", expected, f"GET {path}")

    async def post(self, path: str, page: Answer, expected: int = 302, **fields: str) -> Answer:
        """Send the form of `page`. Raises UnexpectedAnswer."""
        token = _TOKEN.search(page.body)
        if token is None:
            raise UnexpectedAnswer(f"no form in the page before POST {path}")
        body = urlencode({**fields, "csrfmiddlewaretoken": token[1].decode()})
        form = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self._ask(self._head("POST", path) + form + body, expected, f"POST {path}")

    async def stream(self, path: str) -> Stream:
        """Open a stream and wait for its first event. Raises UnexpectedAnswer."""
        began = time.monotonic()
        reader, writer = await self._connect()
        writer.write((self._head("GET", path, "text/event-stream") + "\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise UnexpectedAnswer(f"GET {path}: {head[9:12].decode()}")
        return Stream(reader, await reader.readuntil(b"\n\n"), time.monotonic() - began)

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection[1].close()
            self._connection = None

    def _head(self, method: str, path: str, accept: str = "text/html") -> str:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nAccept-Language: ru\r\n"
            f"X-Forwarded-For: {self.address}\r\n" + (f"Cookie: {cookies}\r\n" if cookies else "")
        )

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self.port, limit=2 * READ_BYTES)
        return self._connection

    async def _ask(self, request: str, expected: int, name: str) -> Answer:
        began = time.monotonic()
        reader, writer = await self._connect()
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or length is None:
            raise UnexpectedAnswer(f"{name}: {head[:100]!r}")
        body = await reader.readexactly(int(length[1]))
        for cookie, value in _COOKIE.findall(head):
            self.cookies[cookie.decode()] = value.decode()
        if int(status[1]) != expected:
            raise UnexpectedAnswer(f"{name}: {int(status[1])}")
        return Answer(expected, body, time.monotonic() - began)
