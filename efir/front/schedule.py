"""`/webinars/` for visitors without a session: made once for each change and language, and served from memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage

from efir import clock
from efir.front.pages import Pages
from efir.http import Application, Scope, Send, cookies_of
from efir.language import chosen_language
from efir.room.live import LiveRooms
from efir.web import server_timing
from efir.webinars.models import Webinar
from efir.webinars.programme import Programme
from efir.webinars.templatetags.webinar_words import has_begun, is_delayed

# «Сегодня» ends at midnight, and zones differ by quarters of an hour.
QUARTER_S = 15 * 60
# With one of these a visitor is somebody, or has something to be told.
PERSONAL = frozenset({settings.SESSION_COOKIE_NAME, CookieStorage.cookie_name})


class SchedulePage:
    """The schedule as guests see it."""

    def __init__(self, django: Application) -> None:
        self._pages = Pages(django, kept_s=QUARTER_S)

    async def __call__(self, live: LiveRooms, scope: Scope, send: Send) -> bool:
        """Answer, or leave it: whether it is answered."""
        cookies = cookies_of(scope)
        if scope["query_string"] or not PERSONAL.isdisjoint(cookies):
            return False  # an inviter's code is remembered by Django, and somebody's own page is Django's
        language = chosen_language(cookies)
        kind = (language, scope["scheme"], _looks(await live.door.programme.now()))
        page = await self._pages.get(kind, _guest(scope, language))
        if page is None:
            return False
        await page.answer(scope, send, [server_timing()])
        return True


def _looks(programme: Programme) -> Hashable:
    """What the page's looks depend on."""
    quarter = int(clock.now().timestamp() // QUARTER_S)
    return quarter, *((_look(webinar)) for webinar in (*programme.on_air, *programme.upcoming))


def _look(webinar: Webinar) -> Hashable:
    return webinar.pk, webinar.version, has_begun(webinar.starts_at), is_delayed(webinar.starts_at)


def _guest(scope: Scope, language: str) -> dict[str, Any]:
    """The request of anybody who reads this language."""
    host = [header for header in scope["headers"] if header[0] == b"host"]
    cookie = f"{settings.LANGUAGE_COOKIE_NAME}={language}".encode()
    return {**scope, "method": "GET", "headers": [*host, (b"accept", b"text/html"), (b"cookie", cookie)]}
