"""The room's event stream: plain ASGI before Django, so that a viewer holds no thread and no database connection.

`GET /account/webinar_room/<id>/stream` is authenticated on connect (session, capability, webinar); then it waits.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from django.conf import settings
from django.db import Error as DatabaseError

from efir.accounts.sessions import is_key
from efir.lib import clock, ids, metrics
from efir.lib.asgi import HAND_OVER, HandOver, Receive, Scope, Send, answer, cookies_of
from efir.room.admission import Admission
from efir.room.hub import RoomHub, rooms
from efir.room.socket_viewer import SocketViewer
from efir.room.viewer import HEADERS, AsgiViewer
from efir.web.security_headers import EVERYWHERE
from efir.webinars.models import Webinar

ROUTE = "account/webinar_room/<id>/stream"  # as it is counted
PATH = re.compile(rf"/account/webinar_room/({ids.PATTERN})/stream")


async def stream(scope: Scope, receive: Receive, send: Send, webinar_id: int) -> None:
    """Answer one stream request, and stay until either side ends it."""
    live, key = rooms(), session_key(cookies_of(scope))
    if live is None:
        return await _refuse(send, 503)
    admission = await _admission(live, scope["method"], key, webinar_id)
    if admission.access is None or admission.webinar is None:
        return await _refuse(send, admission.status)
    metrics.answered(ROUTE, 200)
    person_id = admission.access.person_id
    hand_over: HandOver | None = scope.get("extensions", {}).get(HAND_OVER)
    fd = hand_over() if hand_over else None
    if fd is None:
        return await _watch(live, admission.webinar, AsgiViewer(person_id, key), receive, send)
    return live.join(admission.webinar, SocketViewer(person_id, key, live.wires, fd))


async def _admission(live: RoomHub, method: str, key: str, webinar_id: int) -> Admission:
    if method != "GET":
        return Admission(405)
    try:
        admission = await live.door.admit(key, webinar_id)
    except DatabaseError:
        return Admission(503)
    refusal = live.refusal(admission.access.person_id) if admission.access else 0
    return Admission(refusal) if refusal else admission


async def _watch(live: RoomHub, webinar: Webinar, viewer: AsgiViewer, receive: Receive, send: Send) -> None:
    """The plain way, on any ASGI server: a coroutine for each viewer."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    if live.refusal(viewer.person_id):  # the process has begun to end meanwhile
        return await send({"type": "http.response.body"})
    live.join(webinar, viewer)
    gone = asyncio.ensure_future(_until_disconnect(receive))
    gone.add_done_callback(lambda _: viewer.woken.set())
    try:
        await _pass_on(viewer, gone, send)
    finally:
        live.leave(viewer, clock.now())
        gone.cancel()


async def _pass_on(viewer: AsgiViewer, gone: asyncio.Future[None], send: Send) -> None:
    while not gone.done():
        await viewer.woken.wait()
        message, last = viewer.take()
        if message or last:
            await send({"type": "http.response.body", "body": message, "more_body": not last})
        if last:
            return


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int) -> None:
    metrics.answered(ROUTE, status)
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"), *EVERYWHERE]
    await answer(send, status, [*headers, *([(b"allow", b"GET")] if status == 405 else [])])


def session_key(cookies: Mapping[str, str]) -> str:
    """The session's key that these cookies carry, or nothing."""
    key = cookies.get(settings.SESSION_COOKIE_NAME, "")
    return key if is_key(key) else ""
