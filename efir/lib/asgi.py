"""Types and helpers for ASGI, for requests that are answered before Django."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any, TypeAlias

from django.http import parse_cookie

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

# Extensions of the scope that Efir's own server offers (`efir.server.web`).
# Detaches the connection from the server and returns its file descriptor, or None if the connection is closed.
HAND_OVER = "efir.hand_over"
HandOver: TypeAlias = Callable[[], int | None]
# Sends a head that was encoded before (status and headers, each line ended), further headers, and the body. Returns
# False if the client's buffer is full: then send the ordinary way, which waits.
PREPARED = "efir.prepared"
SendPrepared: TypeAlias = Callable[[bytes, Headers, bytes], bool]

# The same three things, for an application that answers some paths at once (`respond_at_once`), without a coroutine.
PreparedResponse: TypeAlias = tuple[bytes, Headers, bytes]


def cookies_of(scope: Scope) -> dict[str, str]:
    """Return the request's cookies."""
    sent = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
    return parse_cookie(sent.decode("latin-1")) if sent else {}


def header_of(scope: Scope, name: bytes) -> str:
    """Return the request's header of this lower-case name, or an empty string."""
    return b",".join(value for key, value in scope["headers"] if key == name).decode("latin-1")


def set_cookie_header(cookies: SimpleCookie) -> tuple[bytes, bytes]:
    """Return the header that sets this one cookie, as Django sends it."""
    return b"set-cookie", cookies.output(header="", sep="").strip().encode()


def head_of(status: int, headers: Headers) -> bytes:
    """Encode status and headers for `PREPARED`."""
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %s\r\n%s" % (status, HTTPStatus(status).phrase.encode(), lines)


async def send_response(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
