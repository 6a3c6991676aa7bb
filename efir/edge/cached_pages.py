"""Cache the schedule, the room's page, and its state.

Each page is rendered once for every kind of visitor. A person's access and seats come from caches, which are read in
batches and invalidated on every change.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Hashable
from functools import partial

from django.conf import settings

from efir.accounts.access_cache import SessionAccess
from efir.accounts.capabilities import Capability
from efir.attendance.evidence import AttendanceStatus, attendance_status
from efir.edge.cached_response import CachedResponse
from efir.edge.page_cache import NOT_STORED, PageCache, visitor_scope
from efir.edge.page_query import parse_query, referral_headers
from efir.edge.schedule_edition import QUARTER_S, Edition, ScheduleEditions
from efir.lib.asgi import Application, Scope, Send, cookies_of, header_of, send_response
from efir.lib.concurrency import REQUEST_POOL
from efir.room.admission import AdmissionChecker
from efir.room.hub import current_hub
from efir.room.sse import session_key
from efir.room.state import state_of
from efir.web.locale import language_of
from efir.web.messages import HostCookieStorage
from efir.web.security_headers import SECURITY_HEADERS
from efir.web.shortcuts import server_timing
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# A visitor with this cookie has a message to be shown.
MESSAGES_COOKIE = HostCookieStorage.cookie_name
# The page shows the number of viewers and «скоро начнём», which may be a second old.
ROOM_MAX_AGE_S = 1.0
STATE_HEADERS = (
    (b"content-type", b"application/json; charset=utf-8"),
    (b"cache-control", b"no-store"),
    *SECURITY_HEADERS,
)


class SchedulePage:
    """The schedule: for guests by language, for people also by their capabilities and seats."""

    def __init__(self, django: Application, editions: ScheduleEditions) -> None:
        self._cache = PageCache(django, max_age_s=QUARTER_S)
        self._editions = editions

    async def __call__(self, scope: Scope, send: Send) -> int:
        """Answer, or return 0. Of the query only an inviter's code is used, which sets the visitor's cookie."""
        hub, cookies, query = current_hub(), cookies_of(scope), parse_query(scope["query_string"])
        if hub is None or query is None or MESSAGES_COOKIE in cookies:
            return 0
        edition = await self._editions.current(hub.admission.schedule_cache)
        language = language_of(cookies, header_of(scope, b"accept-language"))
        if settings.SESSION_COOKIE_NAME in cookies:
            page = await self._page_of_person(hub.admission, session_key(cookies), scope, language, edition)
        else:
            kind = language, scope["scheme"]
            page = await self._cache.get(kind, visitor_scope(scope, language), edition=edition.number)
        if page is None:
            return 0
        referral = await referral_headers(hub.admission.inviter_cache, query.ref)
        return await page.answer(scope, send, (server_timing(), *referral))

    async def _page_of_person(
        self, admission: AdmissionChecker, key: str, scope: Scope, language: str, edition: Edition
    ) -> CachedResponse | None:
        access = await admission.access_cache.get(key)
        if access is None:  # Django handles the invalid session
            return None

        async def kind_of(access: SessionAccess) -> Hashable:
            seats = await admission.seat_cache.get(access.person_id)
            return language, scope["scheme"], access.capabilities, seats & edition.webinar_ids

        kind = await kind_of(access)
        return await self._cache.get(
            kind,
            visitor_scope(scope, language, cookies={settings.SESSION_COOKIE_NAME: key}),
            edition=edition.number,
            cache_control=NOT_STORED,
            is_still=partial(_is_still, kind, kind_of, admission, key, access.person_id),
        )


async def _is_still(
    kind: Hashable,
    kind_of: Callable[[SessionAccess], Awaitable[Hashable]],
    admission: AdmissionChecker,
    key: str,
    person_id: int,
) -> bool:
    """Return whether the visitor with this session is of this kind, by the current data."""
    admission.forget_visitor(key, person_id)
    access = await admission.access_cache.get(key)
    return access is not None and await kind_of(access) == kind


class RoomPage:
    """The room for each kind of viewer: by language, capabilities, whether invited, attendance, and message to show.

    After a sign-up everybody has the same message, in a signed cookie.
    """

    def __init__(self, django: Application, editions: ScheduleEditions) -> None:
        self._cache = PageCache(django, max_age_s=ROOM_MAX_AGE_S)
        self._editions = editions

    async def __call__(self, scope: Scope, send: Send, webinar_id: str | None) -> int:
        """Answer, or return 0. Without an id it is the page of the current webinar."""
        hub, cookies = current_hub(), cookies_of(scope)
        shown = {name: value for name, value in cookies.items() if name == MESSAGES_COOKIE}
        messages = HostCookieStorage.read(shown[MESSAGES_COOKIE]) if shown else ()
        if hub is None or scope["query_string"] or (shown and not messages):
            return 0
        admission, key = hub.admission, session_key(cookies)
        access = await admission.access_cache.get(key)
        if access is None or not access.can(Capability.ENTER_ROOM):
            return 0
        webinar = await _shown_webinar(admission, access, webinar_id)
        if webinar is None:
            return 0
        language = language_of(cookies, header_of(scope, b"accept-language"))

        async def kind_of(access: SessionAccess) -> Hashable:
            attendance = AttendanceStatus()
            if webinar.state is Status.FINISHED:
                attendance = await REQUEST_POOL.run(attendance_status, webinar.pk, access.person_id)
            viewer_kind = language, access.capabilities, access.invited, attendance
            return scope["path"], scope["scheme"], webinar.pk, webinar.version, *viewer_kind, messages

        kind, edition = await kind_of(access), await self._editions.current(admission.schedule_cache)
        page = await self._cache.get(
            kind,
            visitor_scope(scope, language, cookies={settings.SESSION_COOKIE_NAME: key, **shown}),
            edition=edition.number,  # the room also shows which webinar is next
            is_still=partial(_is_still, kind, kind_of, admission, key, access.person_id),
        )
        return await page.answer(scope, send, (server_timing(),)) if page else 0


async def _shown_webinar(
    admission: AdmissionChecker, access: SessionAccess, webinar_id: str | None
) -> Webinar | None:
    """Return the webinar whose room the person sees at the address with this id, or without one."""
    if webinar_id is not None:
        return await admission.webinar(int(webinar_id), drafts=access.can(Capability.EDIT_WEBINAR))
    schedule = await admission.schedule_cache.get()
    # Only if several webinars are on air does it matter which of them the person has a seat for.
    several = len(schedule.on_air) > 1
    return schedule.current(await admission.seat_cache.get(access.person_id) if several else ())


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
