"""HTTP as ASGI has it, for what is answered before Django."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, TypeAlias

from django.http import parse_cookie

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

# What Efir's own server offers in the scope's extensions (`efir.server.web`).
# Ends the server's part in the connection and gives its descriptor; None where it is gone.
HAND_OVER = "efir.hand_over"
HandOver: TypeAlias = Callable[[], int | None]
# Sends a head that was put together before (status and headers, each line ended), some headers more, and the body;
# False where the reader has fallen behind: then the ordinary way waits for them.
PREPARED = "efir.prepared"
SendPrepared: TypeAlias = Callable[[bytes, Headers, bytes], bool]


def cookies_of(scope: Scope) -> dict[str, str]:
    """The request's cookies."""
    sent = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return parse_cookie(sent.decode("latin-1")) if sent else {}


def header_of(scope: Scope, name: bytes) -> str:
    """The request's header of this name (small letters), or nothing."""
    return b",".join(value for key, value in scope["headers"] if key == name).decode("latin-1")


def head_of(status: int, headers: Headers) -> bytes:
    """Status and headers as they go over the wire, for `PREPARED`."""
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %s\r\n%s" % (status, HTTPStatus(status).phrase.encode(), lines)


async def answer(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    """One whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
