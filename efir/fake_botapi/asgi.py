"""HTTP as ASGI carries it: reading a request's parameters, writing an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from efir.fake_botapi.errors import ApiError, Json, bad_request

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

MAX_BODY_BYTES = 1_000_000
# The name of the ASGI extension by which a server lets its connection be dropped.
DROP = "efir.fake_botapi.drop"


@dataclass
class Request:
    """A request whose body was read; `params` joins those of the query string and of the body.

    `drop` closes the connection without a word, where the server lets that be done.
    """

    verb: str
    path: str
    headers: dict[str, str]
    params: Json
    receive: Receive = field(repr=False)
    drop: Callable[[], None] | None = field(default=None, repr=False)

    @classmethod
    async def read(cls, scope: Scope, receive: Receive) -> Request:
        """Reads the whole request.

        Raises ApiError 413 for a body over MAX_BODY_BYTES and 400 for one that cannot be parsed.
        """
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        params: Json = dict(_urlencoded(scope.get("query_string", b"")))
        params |= _params_of(await _body(receive), headers.get("content-type", ""))
        drop = (scope.get("extensions") or {}).get(DROP)
        return cls(scope["method"], scope["path"], headers, params, receive, drop)


@dataclass
class Reply:
    """An answer: its body as bytes, and whether the connection is cut in the middle of it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: bool = False

    @classmethod
    def of_json(cls, status: int, content: object, headers: dict[str, str] | None = None) -> Reply:
        return cls(status, json.dumps(content).encode(), headers or {})

    async def write(self, send: Send) -> None:
        """Sends the answer; a cut one promises a body and ends without it."""
        headers = {"Content-Type": self.content_type, "Content-Length": str(len(self.body))} | self.headers
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        if not self.cut:
            await send({"type": "http.response.body", "body": self.body})


async def unless_gone(work: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """The result of `work`, or None where the client left first; `work` is cancelled then."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(departure(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        gone.cancel()


async def departure(receive: Receive) -> None:
    """Waits until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, "Request Entity Too Large")
    return body


def _params_of(body: bytes, content_type: str) -> Json:
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        return {}
    if kind == "application/json":
        return _json_object(body)
    if kind == "multipart/form-data":
        return _multipart(body, content_type)
    return _urlencoded(body)


def _json_object(body: bytes) -> Json:
    try:
        parsed = json.loads(body)
    except ValueError as exc:
        raise bad_request("can't parse JSON object") from exc
    if not isinstance(parsed, dict):
        raise bad_request("can't parse JSON object")
    return parsed


def _urlencoded(raw: bytes) -> Json:
    return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))


def _multipart(body: bytes, content_type: str) -> Json:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    form = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    fields: Json = {}
    for part in form.iter_parts():
        content = part.get_payload(decode=True)
        name = str(part.get_param("name", header="content-disposition"))
        fields[name] = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    return fields
