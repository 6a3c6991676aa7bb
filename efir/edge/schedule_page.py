"""`/webinars/` for visitors without a session: rendered once for each change and language."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from efir.edge.cached_response import CachedResponse
from efir.edge.page_cache import PageCache, anonymous_scope
from efir.lib import clock
from efir.lib.asgi import Application, Scope, Send, cookies_of, header_of
from efir.room.hub import current_hub
from efir.web.locale import language_of
from efir.web.messages import HostCookieStorage
from efir.web.shortcuts import server_timing
from efir.webinars.schedule import Schedule
from efir.webinars.templatetags.webinar_labels import has_begun, is_delayed

# The page says «сегодня»: that ends at midnight, and time zones differ by quarters of an hour.
QUARTER_S = 15 * 60
# How often the page is checked for texts that depend on the time, such as a countdown that is over.
CHECK_EVERY = timedelta(seconds=1)
# A visitor with one of these cookies has a session, or a message to be shown.
PERSONAL_COOKIES = frozenset({settings.SESSION_COOKIE_NAME, HostCookieStorage.cookie_name})


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
    return quarter, *((w.pk, w.version, has_begun(w.starts_at), is_delayed(w.starts_at)) for w in shown)
