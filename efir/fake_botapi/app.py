"""The stand-in as an ASGI application."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from efir.fake_botapi.asgi import Receive, Reply, Request, Scope, Send, departure, unless_gone
from efir.fake_botapi.control import Control
from efir.fake_botapi.errors import ApiError, Json, not_found
from efir.fake_botapi.methods import BotApi
from efir.fake_botapi.people import People
from efir.fake_botapi.polling import Waiter
from efir.fake_botapi.scripted_responses import ResponseKind, ResponseQueue, ScriptedResponse
from efir.fake_botapi.state import Call, Chat, Sent, State

_BOT_PATH = re.compile(r"/bot(?P<token>(?P<id>\d{1,16}):[A-Za-z0-9_-]+)/(?P<method>[A-Za-z0-9_]+)")
DEFAULT_BOT_ID = 42


class FakeBotApi:
    """One bot of a Telegram that does not exist; see the package for what it is for.

    `tokens`: those that are accepted, None for any well-formed one. `store`: a file that keeps the chats for
    a second run. `prefix`: the path below which another application mounts it. `latency_s`: seconds each call
    takes, may be changed at any time. `clock`: Unix time in seconds.
    """

    def __init__(  # noqa: PLR0913 - each is a separate choice of whoever starts it
        self,
        *,
        tokens: Collection[str] | None = None,
        store: Path | None = None,
        prefix: str = "",
        latency_s: float = 0.0,
        username: str = "efir_demo_bot",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.prefix = prefix.rstrip("/")
        self.latency_s = latency_s
        self._tokens = None if tokens is None else frozenset(tokens)
        bot_id = min((int(token.partition(":")[0]) for token in self._tokens or ()), default=DEFAULT_BOT_ID)
        self.bot: Json = {"id": bot_id, "is_bot": True, "first_name": "Efir", "username": username}
        self.state = State(store, clock)
        self.people = People(self.state, self.bot)
        self._answers = ResponseQueue()
        self._api = BotApi(self.state, self.bot)
        self._control = Control(self.state, self.people, self._answers)
        self._hanging: set[Waiter] = set()

    @property
    def chats(self) -> dict[int, Chat]:
        """The chats by their id, each with its messages in both directions."""
        return self.state.chats

    @property
    def sent(self) -> list[Sent]:
        """Everything the bot sent, in order."""
        return self.state.sent

    @property
    def calls(self) -> list[Call]:
        """This run's calls of the Bot API in order, also those whose token is not accepted."""
        return list(self.state.calls)

    @property
    def is_polling(self) -> bool:
        """Whether a getUpdates waits right now."""
        return self._api.polling.waiting

    @property
    def hanging(self) -> int:
        """How many calls hang because of an answer of kind `hang`."""
        return len(self._hanging)

    def respond_with(self, status: int = 0, **rule: Any) -> ScriptedResponse:
        """Tells it to answer otherwise than it would; takes the fields of Answer, returns the rule."""
        answer = ScriptedResponse(status=status, **rule)
        self._answers.add(answer)
        return answer

    def clear_responses(self) -> None:
        """Forgets what it was told to answer."""
        self._answers.clear()

    def owns(self, path: str) -> bool:
        """Whether a mounting application should hand this path over."""
        return not self.prefix or path.startswith(f"{self.prefix}/")

    def close(self) -> None:
        """Ends the calls that wait, so that a server can stop at once."""
        self._api.polling.close()
        for waiter in self._hanging:
            waiter.wake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            reply = await self._reply(scope, receive)
            if reply is not None:
                await reply.write(send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        message = await receive()
        while message["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
            message = await receive()
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply | None:
        received_at = self.state.clock()
        try:
            request = await Request.read(scope, receive)
            path = request.path.removeprefix(self.prefix) if self.owns(request.path) else ""
            if path.startswith("/control/"):
                return self._control.reply(request, path.removeprefix("/control/"))
            return await self._bot_reply(request, path, received_at)
        except ApiError as error:
            return Reply.of_json(error.status, error.body(), error.headers())

    async def _bot_reply(self, request: Request, path: str, received_at: float) -> Reply | None:
        match = _BOT_PATH.fullmatch(path)
        if match is None:
            raise not_found()
        if request.verb not in {"GET", "POST"}:
            raise ApiError(405, "Method Not Allowed")
        call = Call(received_at, int(match["id"]), match["method"], request.params)
        self.state.calls.append(call)
        if self._tokens is not None and match["token"] not in self._tokens:
            call.status, call.description = 401, "Unauthorized"
            raise ApiError(401, "Unauthorized")
        self.bot["id"] = call.bot_id
        await asyncio.sleep(self.latency_s)
        try:
            return await self._answered(call, request)
        finally:
            call.answered_at = self.state.clock()

    async def _answered(self, call: Call, request: Request) -> Reply | None:
        rule = self._answers.take(call.method, call.params)
        if rule is None:
            return await self._carried_out(call, request.receive)
        if rule.delivered:
            await self._carried_out(call, request.receive)
        if rule.kind is ResponseKind.HANG or (rule.kind is ResponseKind.DROP and request.drop):
            call.status, call.description = None, rule.kind
            await (self._drop(request) if rule.kind is ResponseKind.DROP else self._hang(request.receive))
            return None
        reply = rule.reply()
        call.status, call.description = reply.status, rule.told()
        return reply

    async def _carried_out(self, call: Call, receive: Receive) -> Reply | None:
        """The official answer; None where the client left while it waited for updates."""
        try:
            work = self._api.call(call.method, call.params, call.received_at)
            result = await unless_gone(work, receive)
        except ApiError as error:
            call.status, call.description = error.status, error.description
            return Reply.of_json(error.status, error.body(), error.headers())
        if result is None:
            return None
        call.status = 200
        return Reply.of_json(200, {"ok": True, "result": result})

    async def _drop(self, request: Request) -> None:
        if request.drop:
            request.drop()
        await departure(request.receive)

    async def _hang(self, receive: Receive) -> None:
        waiter = Waiter()
        self._hanging.add(waiter)
        try:
            await unless_gone(waiter.wait(None), receive)
        finally:
            self._hanging.discard(waiter)
