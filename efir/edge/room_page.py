"""The room's page and its state for somebody who may enter: two indexed reads at most, as a rule none."""

from __future__ import annotations

import json

from efir.accounts.access_cache import SessionAccess
from efir.accounts.capabilities import Capability
from efir.attendance.participation import AttendanceStatus, attendance_status
from efir.edge.page_cache import Pages
from efir.lib.asgi import Application, Scope, Send, answer, cookies_of, header_of
from efir.lib.concurrency import REQUEST_POOL
from efir.room.hub import RoomHub
from efir.room.sse import session_key
from efir.room.state import state_of
from efir.web.locale import language_of
from efir.web.messages import HostCookieStorage
from efir.web.security_headers import EVERYWHERE
from efir.web.shortcuts import server_timing
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar
from efir.webinars.schedule import seats_of

# The page carries the count of viewers, and words such as «скоро начнём»: a second old at most.
KEPT_S = 1.0
STATE_HEADERS = (
    (b"content-type", b"application/json; charset=utf-8"),
    (b"cache-control", b"no-store"),
    *EVERYWHERE,
)


class RoomPage:
    """The room as each kind of viewer sees it: by language, capabilities, inviter (or none) and part in it."""

    def __init__(self, django: Application) -> None:
        self._pages = Pages(django, kept_s=KEPT_S)

    async def __call__(self, hub: RoomHub, scope: Scope, send: Send, webinar_id: int | None) -> int:
        """Answer, or leave it: the HTTP status, or 0."""
        cookies = cookies_of(scope)
        if scope["query_string"] or HostCookieStorage.cookie_name in cookies:
            return 0
        access = await hub.admission.access_cache.of(session_key(cookies))
        if access is None or not access.can(Capability.ENTER_ROOM):
            return 0
        webinar = await _webinar(hub, access, webinar_id)
        if webinar is None:
            return 0
        over = webinar.state is Status.FINISHED
        part = (
            await REQUEST_POOL.run(attendance_status, webinar.pk, access.person_id)
            if over
            else AttendanceStatus()
        )
        language = language_of(cookies, header_of(scope, b"accept-language"))
        who = (language, access.capabilities, access.invited, part)
        page = await self._pages.get(
            (scope["path"], scope["scheme"], webinar.pk, webinar.version, *who), scope
        )
        if page is None:
            return 0
        return await page.answer(scope, send, (server_timing(),))


async def room_state(hub: RoomHub, scope: Scope, send: Send, webinar_id: int) -> int:
    """`/api/webinars/<id>/state`: the same object as on the stream. The HTTP status, or 0 where it is left."""
    admission = await hub.admission.admit(session_key(cookies_of(scope)), webinar_id)
    if admission.webinar is None:
        return 0
    state = state_of(admission.webinar, hub.count(webinar_id))
    body = json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()
    await answer(send, 200, (*STATE_HEADERS, (b"content-length", b"%d" % len(body))), body)
    return 200


async def _webinar(hub: RoomHub, access: SessionAccess, webinar_id: int | None) -> Webinar | None:
    if webinar_id is not None:
        return await hub.admission.webinar(webinar_id, drafts=access.can(Capability.EDIT_WEBINAR))
    programme = await hub.admission.schedule_cache.now()
    # A seat decides only between several webinars on air.
    seats = await REQUEST_POOL.run(seats_of, access.person_id) if len(programme.on_air) > 1 else ()
    return programme.current(seats)
