"""The pages of the edge: the schedule for visitors without a session, the room's page, and its state.

Each page is rendered once for every kind of visitor. A room costs a viewer two indexed reads at most, usually none.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from efir.accounts.capabilities import Capability
from efir.attendance.evidence import AttendanceStatus, attendance_status
from efir.edge.cached_response import CachedResponse
from efir.edge.page_cache import PageCache, anonymous_scope
from efir.lib import clock
from efir.lib.asgi import Application, Scope, Send, cookies_of, header_of, send_response
from efir.lib.concurrency import REQUEST_POOL
from efir.room.hub import current_hub
from efir.room.sse import session_key
from efir.room.state import state_of
from efir.site_settings import current
from efir.web.locale import language_of
from efir.web.messages import HostCookieStorage
from efir.web.security_headers import SECURITY_HEADERS
from efir.web.shortcuts import server_timing
from efir.webinars.lifecycle import Status
from efir.webinars.schedule import Schedule, booked_webinar_ids
from efir.webinars.templatetags.webinar_labels import has_begun, is_delayed

# The page says «сегодня»: that ends at midnight, and time zones differ by quarters of an hour.
QUARTER_S = 15 * 60
# How often the page is checked for texts that depend on the time, such as a countdown that is over.
CHECK_EVERY = timedelta(seconds=1)
# A visitor with one of these cookies has a session, or a message to be shown.
PERSONAL_COOKIES = frozenset({settings.SESSION_COOKIE_NAME, HostCookieStorage.cookie_name})
# The page shows the number of viewers and «скоро начнём», which may be a second old.
ROOM_MAX_AGE_S = 1.0
STATE_HEADERS = (
    (b"content-type", b"application/json; charset=utf-8"),
    (b"cache-control", b"no-store"),
    *SECURITY_HEADERS,
)


@dataclass(frozen=True, slots=True)
class _LastPage:
    """The page that was served last: valid while the schedule is the same object, until `check_at`."""

    schedule: Schedule
    check_at: datetime
    page: CachedResponse


class SchedulePage:
    """The schedule for visitors without a session."""

    def __init__(self, django: Application) -> None:
        self._cache = PageCache(django, max_age_s=QUARTER_S)
        self._last: dict[Hashable, _LastPage] = {}

    async def __call__(self, scope: Scope, send: Send) -> int:
        """Answer, or return 0: a query (an inviter's code) and a personal page are Django's."""
        hub, cookies = current_hub(), cookies_of(scope)
        if hub is None or scope["query_string"] or not PERSONAL_COOKIES.isdisjoint(cookies):
            return 0
        schedule = await hub.admission.schedule_cache.get()
        language = language_of(cookies, header_of(scope, b"accept-language"))
        kind = language, scope["scheme"]
        last = self._last.get(kind)
        if last and last.schedule is schedule and clock.now() < last.check_at:
            return await last.page.answer(scope, send, (server_timing(),))
        check_at = clock.now() + CHECK_EVERY
        page = await self._cache.get((*kind, _fingerprint(schedule)), anonymous_scope(scope, language))
        if page is None:
            return 0
        self._last[kind] = _LastPage(schedule, check_at, page)
        return await page.answer(scope, send, (server_timing(),))


def _fingerprint(schedule: Schedule) -> Hashable:
    """Return everything that the rendered page depends on."""
    quarter = int(clock.now().timestamp() // QUARTER_S)
    shown = (*schedule.on_air, *schedule.upcoming)
    return (
        quarter,
        current.cached().version,
        *((w.pk, w.version, has_begun(w.starts_at), is_delayed(w.starts_at)) for w in shown),
    )


class RoomPage:
    """The room for each kind of viewer: by language, capabilities, whether invited, and attendance."""

    def __init__(self, django: Application) -> None:
        self._cache = PageCache(django, max_age_s=ROOM_MAX_AGE_S)

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
        key = (
            scope["path"],
            scope["scheme"],
            webinar.pk,
            webinar.version,
            current.cached().version,
            *viewer_kind,
        )
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
