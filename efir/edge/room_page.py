"""The room's page and state for somebody who may enter: two indexed reads at most, usually none."""

from __future__ import annotations

import json

from efir.accounts.capabilities import Capability
from efir.attendance.evidence import AttendanceStatus, attendance_status
from efir.edge.page_cache import PageCache
from efir.lib.asgi import Application, Scope, Send, cookies_of, header_of, send_response
from efir.lib.concurrency import REQUEST_POOL
from efir.room.hub import current_hub
from efir.room.sse import session_key
from efir.room.state import state_of
from efir.web.locale import language_of
from efir.web.messages import HostCookieStorage
from efir.web.security_headers import SECURITY_HEADERS
from efir.web.shortcuts import server_timing
from efir.webinars.lifecycle import Status
from efir.webinars.schedule import booked_webinar_ids

# The page shows the number of viewers and «скоро начнём», which may be a second old.
MAX_AGE_S = 1.0
STATE_HEADERS = (
    (b"content-type", b"application/json; charset=utf-8"),
    (b"cache-control", b"no-store"),
    *SECURITY_HEADERS,
)


class RoomPage:
    """The room for each kind of viewer: by language, capabilities, whether invited, and attendance."""

    def __init__(self, django: Application) -> None:
        self._cache = PageCache(django, max_age_s=MAX_AGE_S)

    async def __call__(self, scope: Scope, send: Send, webinar_id: str | None) -> int:
        """Answer, or return 0. Without an id it is the page of the current webinar."""
        hub, cookies = current_hub(), cookies_of(scope)
        if hub is None or scope["query_string"] or HostCookieStorage.cookie_name in cookies:
            return 0
        access = await hub.admission.access_cache.get(session_key(cookies))
        if access is None or not access.can(Capability.ENTER_ROOM):
            return 0
        if webinar_id is not None:
            drafts = access.can(Capability.EDIT_WEBINAR)
            webinar = await hub.admission.webinar(int(webinar_id), drafts=drafts)
        else:
            schedule = await hub.admission.schedule_cache.get()
            # Only if several webinars are on air does it matter which of them the person has a seat for.
            several = len(schedule.on_air) > 1
            seats = await REQUEST_POOL.run(booked_webinar_ids, access.person_id) if several else ()
            webinar = schedule.current(seats)
        if webinar is None:
            return 0
        attendance = AttendanceStatus()
        if webinar.state is Status.FINISHED:
            attendance = await REQUEST_POOL.run(attendance_status, webinar.pk, access.person_id)
        language = language_of(cookies, header_of(scope, b"accept-language"))
        viewer_kind = (language, access.capabilities, access.invited, attendance)
        key = (scope["path"], scope["scheme"], webinar.pk, webinar.version, *viewer_kind)
        page = await self._cache.get(key, scope)
        return await page.answer(scope, send, (server_timing(),)) if page else 0


async def room_state(scope: Scope, send: Send, webinar_id: str) -> int:
    """Answer `/api/webinars/<id>/state` with the same object as the event stream, or return 0."""
    hub = current_hub()
    if hub is None:
        return 0
    admission = await hub.admission.admit(session_key(cookies_of(scope)), int(webinar_id))
    if admission.webinar is None:
        return 0
    state = state_of(admission.webinar, hub.count(admission.webinar.pk))
    body = json.dumps(state, ensure_ascii=False, separators=(",", ":")).encode()
    await send_response(send, 200, (*STATE_HEADERS, (b"content-length", b"%d" % len(body))), body)
    return 200
