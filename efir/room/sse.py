"""The room's event stream: plain ASGI before Django, so that a viewer holds no thread and no database connection.

`GET /account/webinar_room/<id>/stream` is authorized on connect by session, capability and webinar. While a page plays
the broadcast, its stream is opened with `?watching=1`: that is recorded as watching, beside presence. `?after=` and
`Last-Event-ID` name the last event of a page that reconnects.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import parse_qs

from django.conf import settings
from django.db import Error as DatabaseError

from efir.accounts.sessions import is_key
from efir.lib import clock, ids, metrics
from efir.lib.asgi import (
    HAND_OVER,
    HandOver,
    Receive,
    Scope,
    Send,
    cookies_of,
    header_of,
    send_response,
)
from efir.room.hub import RoomHub, current_hub
from efir.room.socket_viewer import SocketViewer
from efir.room.viewer import HEADERS, AsgiViewer
from efir.web.security_headers import SECURITY_HEADERS
from efir.webinars.models import Webinar

ROUTE = "account/webinar_room/<id>/stream"  # its label in the metrics
WATCHING = b"watching=1"
PATH = re.compile(rf"/account/webinar_room/({ids.PATTERN})/stream")


async def stream(scope: Scope, receive: Receive, send: Send, webinar_id: int) -> None:
    """Answer one stream request, and stay until either side ends it.

    Refused with 401, 403 or 404 by `AdmissionChecker.admit`, with 429 or 503 by `RoomHub.refusal_status`, and with 503
    if this process has no hub or the database is away.
    """
    hub, key = current_hub(), session_key(cookies_of(scope))
    if hub is None or scope["method"] != "GET":
        return await _refuse(send, 503 if hub is None else 405)
    try:
        admission = await hub.admission.admit(key, webinar_id)
    except DatabaseError:
        return await _refuse(send, 503)
    access, webinar = admission.access, admission.webinar
    if access and (status := hub.refusal_status(access.person_id)):
        return await _refuse(send, status)
    if access is None or webinar is None:
        return await _refuse(send, admission.status)
    metrics.count_request(ROUTE, 200)
    watching = WATCHING in scope["query_string"].split(b"&")
    hand_over: HandOver | None = scope.get("extensions", {}).get(HAND_OVER)
    fd = hand_over() if hand_over else None
    viewer: AsgiViewer | SocketViewer
    if fd is None:
        viewer = AsgiViewer(access.person_id, key, watching=watching)
    else:
        viewer = SocketViewer(access.person_id, key, hub.socket_poller, fd, watching=watching)
    viewer.capabilities, viewer.last_event = access.capabilities, last_event_of(scope)
    if isinstance(viewer, AsgiViewer):
        return await _serve_asgi(hub, webinar, viewer, receive, send)
    return hub.join(webinar, viewer)


def last_event_of(scope: Scope) -> int | None:
    """Return the id of the last event that the page has, or None.

    A browser that reconnects by itself sends it as a header, a page that opens a new `EventSource` as `?after=`. If
    there are both, the later one counts.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"))
    sent = [header_of(scope, b"last-event-id"), *query.get("after", ())]
    return max((int(each) for each in sent if re.fullmatch(rf"0|{ids.PATTERN}", each)), default=None)


async def _serve_asgi(
    hub: RoomHub, webinar: Webinar, viewer: AsgiViewer, receive: Receive, send: Send
) -> None:
    """Serve a stream on any ASGI server, with a coroutine per viewer."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    disconnected = asyncio.ensure_future(_until_disconnect(receive))
    disconnected.add_done_callback(lambda _: viewer.woken.set())
    await asyncio.sleep(0)  # lets that task see a stream that was given up before this process got to it
    if disconnected.done():
        return None
    if hub.refusal_status(viewer.person_id):  # the hub was closed meanwhile
        disconnected.cancel()
        return await send({"type": "http.response.body"})
    hub.join(webinar, viewer)
    try:
        last = False
        while not (last or disconnected.done()):
            await viewer.woken.wait()
            message, last = viewer.pop_message()
            if message or last:
                await send({"type": "http.response.body", "body": message, "more_body": not last})
    finally:
        hub.leave(viewer, clock.now())
        disconnected.cancel()


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int) -> None:
    metrics.count_request(ROUTE, status)
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"no-store"),
        *SECURITY_HEADERS,
    ]
    await send_response(send, status, [*headers, *([(b"allow", b"GET")] if status == 405 else [])])


def session_key(cookies: Mapping[str, str]) -> str:
    """Return the well-formed session key among these cookies, or an empty string."""
    key = cookies.get(settings.SESSION_COOKIE_NAME, "")
    return key if is_key(key) else ""
