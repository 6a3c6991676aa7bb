"""Which request is answered here, and which by Django."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial

from django.db import Error as DatabaseError

from efir import ids
from efir.asgi_http import Application, Receive, Scope, Send
from efir.front.room import RoomPage, room_state
from efir.front.schedule import SchedulePage
from efir.front.static import StaticFiles
from efir.room.live import rooms
from efir.room.stream import PATH as STREAM
from efir.room.stream import stream

ROOM = re.compile(rf"/account/webinar_room/(?:({ids.PATTERN})/)?")
STATE = re.compile(rf"/api/webinars/({ids.PATTERN})/state")


class Front:
    """Efir's ASGI application: the stream, then what is kept, then Django."""

    def __init__(self, django: Application) -> None:
        self._django = django
        self._schedule = SchedulePage(django)
        self._room = RoomPage(django)
        self._static = StaticFiles()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. The server opens and closes the rooms itself, so there is no lifespan here."""
        if scope["type"] == "http":
            if match := STREAM.fullmatch(scope["path"]):
                return await stream(scope, receive, send, int(match[1]))
            if scope["method"] == "GET" and await self._answered(scope, send):
                return None
        return await self._django(dict(scope), receive, send)

    async def _answered(self, scope: Scope, send: Send) -> bool:
        answering = self._answering(scope, send)
        if answering is None:
            return False
        try:
            return await answering()
        except DatabaseError:
            return False  # Django says so in its own way

    def _answering(self, scope: Scope, send: Send) -> Callable[[], Awaitable[bool]] | None:
        path, live = scope["path"], rooms()
        if path.startswith("/static/"):
            return partial(self._static, scope, send)
        if live is None:
            return None
        if path == "/webinars/":
            return partial(self._schedule, live, scope, send)
        if match := ROOM.fullmatch(path):
            return partial(self._room, live, scope, send, int(match[1]) if match[1] else None)
        if match := STATE.fullmatch(path):
            return partial(room_state, live, scope, send, int(match[1]))
        return None
