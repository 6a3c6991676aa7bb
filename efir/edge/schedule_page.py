"""`/webinars/` for visitors without a session: made once for each change and language, and served from memory."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from efir.edge.cached_response import CachedResponse
from efir.edge.page_cache import Pages, of_anybody
from efir.lib import clock
from efir.lib.asgi import Application, Scope, Send, cookies_of, header_of
from efir.room.hub import RoomHub
from efir.web.locale import language_of
from efir.web.messages import HostCookieStorage
from efir.web.shortcuts import server_timing
from efir.webinars.models import Webinar
from efir.webinars.schedule import Schedule
from efir.webinars.templatetags.webinar_labels import has_begun, is_delayed

# «Сегодня» ends at midnight, and zones differ by quarters of an hour.
QUARTER_S = 15 * 60
LOOK_EVERY = timedelta(seconds=1)
# With one of these a visitor is somebody, or has something to be told.
PERSONAL = frozenset({settings.SESSION_COOKIE_NAME, HostCookieStorage.cookie_name})


@dataclass(frozen=True, slots=True)
class _Shown:
    """What guests were shown last, and for how long it need not be looked at again."""

    programme: Schedule
    until: datetime
    page: CachedResponse


class SchedulePage:
    """The schedule as guests see it."""

    def __init__(self, django: Application) -> None:
        self._pages = Pages(django, kept_s=QUARTER_S)
        self._shown: dict[Hashable, _Shown] = {}

    async def __call__(self, hub: RoomHub, scope: Scope, send: Send) -> int:
        """Answer, or leave it: the HTTP status, or 0."""
        cookies = cookies_of(scope)
        if scope["query_string"] or not PERSONAL.isdisjoint(cookies):
            return 0  # an inviter's code is remembered by Django, and somebody's own page is Django's
        language = language_of(cookies, header_of(scope, b"accept-language"))
        page = await self._page(await hub.admission.schedule_cache.now(), scope, language)
        if page is None:
            return 0
        return await page.answer(scope, send, (server_timing(),))

    async def _page(self, programme: Schedule, scope: Scope, language: str) -> CachedResponse | None:
        shown = self._shown.get((language, scope["scheme"]))
        if shown and shown.programme is programme and clock.now() < shown.until:
            return shown.page
        until = clock.now() + LOOK_EVERY
        page = await self._pages.get(
            (language, scope["scheme"], _looks(programme)), of_anybody(scope, language)
        )
        if page is not None:
            self._shown[language, scope["scheme"]] = _Shown(programme, until, page)
        return page


def _looks(programme: Schedule) -> Hashable:
    """What the page's looks depend on."""
    quarter = int(clock.now().timestamp() // QUARTER_S)
    return quarter, *((_look(webinar)) for webinar in (*programme.on_air, *programme.upcoming))


def _look(webinar: Webinar) -> Hashable:
    return webinar.pk, webinar.version, has_begun(webinar.starts_at), is_delayed(webinar.starts_at)
