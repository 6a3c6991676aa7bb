"""The fake Bot API as an ASGI application, and a server for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from efir.fake_botapi.errors import ApiError, Json
from efir.fake_botapi.methods import Methods, Waiter
from efir.fake_botapi.scripted_responses import ResponseKind, ResponseQueue, ScriptedResponse
from efir.fake_botapi.state import Call, People, State

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

DEFAULT_BOT_ID = 42
USERNAME = "efir_demo_bot"
MAX_BODY_BYTES = 1_000_000
# Calls that are still open when the server stops are cancelled after this time.
STOP_AFTER_S = 3
# The name of the ASGI extension with which the application closes its connection.
DROP = "efir.fake_botapi.drop"
_BODIES = {ResponseKind.MALFORMED: '{"ok":true,"resu', ResponseKind.FOREIGN: '{"ok":true,"result":true}'}
_BOT_PATH = re.compile(r"/bot(?P<token>\d{1,16}:[A-Za-z0-9_-]+)/(?P<method>[A-Za-z0-9_]+)")


@dataclass
class _Response:
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    @classmethod
    def of_error(cls, error: ApiError) -> _Response:
        wait = error.parameters.get("retry_after")
        headers = {} if wait is None else {"retry-after": str(wait)}
        return cls(error.status, json.dumps(error.body()).encode(), headers=headers)

    async def write(self, send: Send) -> None:
        """Send the response; a cut one announces a body and ends without it."""
        headers = {"content-type": self.content_type, "content-length": str(len(self.body))} | self.headers
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        if not self.cut:
            await send({"type": "http.response.body", "body": self.body})


class FakeBotApi:
    """One bot of a fake Telegram.

    `tokens`: the accepted ones; None accepts any well-formed token. `store`: a file that keeps the chats for
    the next run. `prefix`: the path below which another application mounts this one. `latency_s`: seconds each
    call takes, may be changed at any time. `clock`: returns Unix time in seconds.
    """

    def __init__(
        self,
        *,
        tokens: Collection[str] | None = None,
        store: Path | None = None,
        prefix: str = "",
        latency_s: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.prefix = prefix.rstrip("/")
        self.latency_s = latency_s
        self._tokens = tokens
        bot_id = min((int(token.partition(":")[0]) for token in tokens or ()), default=DEFAULT_BOT_ID)
        self.state = State(
            {"id": bot_id, "is_bot": True, "first_name": "Efir", "username": USERNAME}, store, clock
        )
        self.people = People(self.state)
        # The chats by their id, each with its messages in both directions; everything the bot sent, in order.
        self.chats, self.sent = self.state.chats, self.state.sent
        self._methods = Methods(self.state)
        self._scripted = ResponseQueue()
        self._hanging: set[Waiter] = set()

    @property
    def calls(self) -> list[Call]:
        """This run's calls in order, including those with a token that is not accepted."""
        return list(self.state.calls)

    @property
    def is_polling(self) -> bool:
        """Whether a getUpdates call is waiting."""
        return self._methods.is_polling

    @property
    def hanging(self) -> int:
        """The number of calls that hang because of a scripted response."""
        return len(self._hanging)

    def respond_with(self, status: int = 0, **fields: Any) -> None:
        """Script a response; takes the fields of ScriptedResponse."""
        self._scripted.add(ScriptedResponse(status, **fields))

    def clear_responses(self) -> None:
        """Remove all scripted responses."""
        self._scripted.clear()

    def owns(self, path: str) -> bool:
        """Return whether a mounting application should pass this path on."""
        return path.startswith(f"{self.prefix}/")

    def close(self) -> None:
        """End the calls that wait, so that a server can stop at once."""
        self._methods.close()
        for waiter in list(self._hanging):
            waiter.wake()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(scope, receive)
        except ApiError as error:
            response = _Response.of_error(error)
        if response is not None:
            await response.write(send)

    async def _respond(self, scope: MutableMapping[str, Any], receive: Receive) -> _Response | None:
        """Return the response, or None if there is nothing to send or nobody to send it to."""
        received_at = self.state.clock()
        params = _parse_params(scope["query_string"]) | _parse_params(await _read_body(receive))
        match = _BOT_PATH.fullmatch(scope["path"].removeprefix(self.prefix))
        if match is None:
            raise ApiError(404, "Not Found")
        call = Call(received_at, match["method"], params)
        self.state.calls.append(call)
        if self._tokens is not None and match["token"] not in self._tokens:
            call.status, call.description = 401, "Unauthorized"
            raise ApiError(401, "Unauthorized")
        await asyncio.sleep(self.latency_s)
        try:
            scripted = self._scripted.next_for(call.method, params)
            response = None
            if scripted is None or scripted.delivered:
                response = await self._carry_out(call, receive)
            if scripted is not None:
                response = await self._play(scripted, call, scope, receive)
            return response
        finally:
            call.answered_at = self.state.clock()

    async def _carry_out(self, call: Call, receive: Receive) -> _Response | None:
        try:
            work = self._methods.call(call.method, call.params, call.received_at)
            result = await _unless_client_left(work, receive)
        except ApiError as error:
            call.status, call.description = error.status, error.description
            return _Response.of_error(error)
        if result is None:
            return None
        call.status = 200
        return _Response(200, json.dumps({"ok": True, "result": result}).encode())

    async def _play(
        self, scripted: ScriptedResponse, call: Call, scope: MutableMapping[str, Any], receive: Receive
    ) -> _Response | None:
        call.status, call.description = scripted.status, scripted.kind.value
        match scripted.kind:
            case ResponseKind.ERROR:
                error = scripted.error()
                call.description = error.description
                return _Response.of_error(error)
            case ResponseKind.HTML:
                page = f"<html><h1>{scripted.status} {HTTPStatus(scripted.status).phrase}</h1></html>"
                return _Response(scripted.status, page.encode(), "text/html")
            case ResponseKind.MALFORMED | ResponseKind.FOREIGN | ResponseKind.RAW:
                body = _BODIES.get(scripted.kind, scripted.body)
                return _Response(scripted.status, body.encode())
            case ResponseKind.CUT:
                return _Response(scripted.status, b"?", cut=True)
            case ResponseKind.DROP:
                call.status = None
                scope["extensions"][DROP]()
                await _client_left(receive)
                return None
            case ResponseKind.HANG:
                call.status = None
                waiter = Waiter()
                self._hanging.add(waiter)
                try:
                    await _unless_client_left(waiter.wait(), receive)
                finally:
                    self._hanging.discard(waiter)
                return None


async def _read_body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, "Request Entity Too Large")
    return body


def _parse_params(urlencoded: bytes) -> Json:
    return dict(parse_qsl(urlencoded.decode("utf-8", "replace"), keep_blank_values=True))


async def _unless_client_left(work: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """Return the result of `work`. Cancel it and return None if the client leaves first."""
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_client_left(receive))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        left.cancel()


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Protocol(HttpToolsProtocol):
    """Lets the application close its connection without a response."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: self.transport.abort}  # type: ignore[dict-item]  # not a standard one


@contextlib.contextmanager
def running(fake_bot_api: FakeBotApi, port: int = 0) -> Iterator[str]:
    """Serve in a thread while the block runs. Yield the address of the Bot API; port 0 takes a free port."""
    listening = socket.create_server(("127.0.0.1", port), backlog=2048)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(_serve(fake_bot_api, listening, stop)),
        name="fake-botapi",
        daemon=True,
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{fake_bot_api.prefix}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _serve(fake_bot_api: FakeBotApi, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    This uses uvicorn's protocol without its server, whose polling would add 0.2 s to the end of each test.
    """
    config = uvicorn.Config(
        fake_bot_api,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than a client keeps an idle connection (httpx: 5 s), as the official server does. Otherwise a request
        # that is sent in the moment of the close is lost, and its outcome unknown.
        timeout_keep_alive=75,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(config=config, server_state=state, app_state={}), sock=listening
    )
    await stop.wait()
    server.close()
    fake_bot_api.close()
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=STOP_AFTER_S)
    for connection in list(state.connections):
        connection.transport.close()
    for task in list(state.tasks):
        task.cancel()
    await asyncio.sleep(0)  # let the connections and the tasks end
