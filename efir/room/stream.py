"""The room's event stream: plain ASGI before Django, so that a viewer holds no thread and no database connection.

`GET /account/webinar_room/<id>/stream` is authenticated on connect (session, capability, webinar); then it waits.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, parse_cookie

from efir import clock, ids
from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.room.line import Line
from efir.room.live import LiveRooms, rooms
from efir.room.viewers import HEADERS, AsgiViewer, WireViewer
from efir.threads import CROWD
from efir.webinars.models import Webinar
from efir.webinars.visibility import visible_webinar

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]

PATH = re.compile(rf"/account/webinar_room/({ids.PATTERN})/stream")


@dataclass(frozen=True)
class Admission:
    """Who may watch what; or the status that says why not."""

    status: int
    person_id: int = 0
    webinar: Webinar | None = None


def admit(session_key: str, webinar_id: int) -> Admission:
    """Decide from the session alone. Blocking: reads the database."""
    person = _person(session_key)
    if person is None:
        return Admission(401)
    if not can(person, Capability.ENTER_ROOM):
        return Admission(403)
    webinar = visible_webinar(person, webinar_id)
    return Admission(200, person.pk, webinar) if webinar else Admission(404)


def _person(session_key: str) -> Person | None:
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = auth.get_user(request)
    return user if isinstance(user, Person) else None


async def stream(scope: Scope, receive: Receive, send: Send, webinar_id: int) -> None:
    """Answer one stream request, and stay until either side ends it."""
    live = rooms()
    admission = await _admission(live, scope, webinar_id)
    if live is None or admission.webinar is None:
        return await _refuse(send, admission.status)
    line = Line.of(scope)
    if line is None:
        return await _watch_through_asgi(
            live, admission.webinar, AsgiViewer(admission.person_id), receive, send
        )
    return _watch(live, admission.webinar, WireViewer(admission.person_id, line))


async def _admission(live: LiveRooms | None, scope: Scope, webinar_id: int) -> Admission:
    if scope["method"] != "GET":
        return Admission(405)
    if live is None:
        return Admission(503)
    admission = await CROWD.run(admit, _session_key(scope), webinar_id)
    return Admission(refusal) if (refusal := live.refusal(admission.person_id)) else admission


def _watch(live: LiveRooms, webinar: Webinar, viewer: WireViewer) -> None:
    """From here on the request is over, and the broadcaster alone writes to the connection."""
    if viewer.take_over(lambda until: live.leave(room, viewer, until)):
        room = live.join(webinar, viewer)


async def _watch_through_asgi(
    live: LiveRooms, webinar: Webinar, viewer: AsgiViewer, receive: Receive, send: Send
) -> None:
    """The plain way, on any ASGI server: a coroutine for each viewer."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    room = live.join(webinar, viewer)
    gone = asyncio.ensure_future(_until_disconnect(receive))
    gone.add_done_callback(lambda _: viewer.woken.set())
    try:
        await _pass_on(viewer, gone, send)
    finally:
        live.leave(room, viewer, clock.now())
        gone.cancel()


async def _pass_on(viewer: AsgiViewer, gone: asyncio.Future[None], send: Send) -> None:
    while not gone.done():
        await viewer.woken.wait()
        message, last = viewer.take()
        if message or last:
            await _write(send, message, more=not last)
        if last:
            return


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await _write(send, b"", more=False)


def _session_key(scope: Scope) -> str:
    cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, "")
    return key if key.isascii() and key.isalnum() else ""
