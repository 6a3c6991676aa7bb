"""Which request is answered here, and which by Django."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import TypeAlias

import structlog
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import Error as DatabaseError
from django.http.request import split_domain_port, validate_host

from efir.edge.body_limit import BodyLimitMiddleware
from efir.edge.cached_files import StaticFiles
from efir.edge.offline import OFFLINE, OfflineFiles
from efir.edge.password_queue import PasswordQueueMiddleware
from efir.edge.posters import PosterFiles
from efir.edge.request_id import RequestIdMiddleware
from efir.edge.room_page import RoomPage, room_state
from efir.edge.schedule_page import SchedulePage
from efir.lib import ids, metrics
from efir.lib.asgi import Application, Receive, Scope, Send
from efir.room.hub import current_hub
from efir.room.sse import PATH as STREAM
from efir.room.sse import stream
from efir.webinars.posters.formats import ID as POSTER_ID

ROOM = re.compile(rf"/account/webinar_room/(?:({ids.PATTERN})/)?")
POSTER = re.compile(rf"/posters/({POSTER_ID})/([\w.]+)", re.ASCII)
STATE = re.compile(rf"/api/webinars/({ids.PATTERN})/state")

# Under which name it is counted; and what answers it, giving the HTTP status, or 0 where it is left to Django.
Answering: TypeAlias = tuple[str, Callable[[], Awaitable[int]]]

log = structlog.get_logger(__name__)


class EdgeApplication:
    """Efir's ASGI application: the stream, then what is kept, then Django."""

    def __init__(self, django: Application) -> None:
        self._django = BodyLimitMiddleware(PasswordQueueMiddleware(RequestIdMiddleware(django)))
        self._schedule = SchedulePage(django)
        self._room = RoomPage(django)
        self._offline = OfflineFiles(django)
        self._static = StaticFiles()
        self._posters = PosterFiles()
        # Where people come by https, TLS ends before this process, and no header need be believed for it.
        self._scheme = "https" if settings.EFIR.is_https else "http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. The server opens and closes the rooms itself, so there is no lifespan here."""
        if scope["type"] == "http":
            scope["scheme"] = self._scheme
            if match := STREAM.fullmatch(scope["path"]):
                return await stream(scope, receive, send, int(match[1]))
            if scope["method"] == "GET" and _is_ours(scope) and await self._answered(scope, send):
                return None
        return await self._django(dict(scope), receive, send)

    async def _answered(self, scope: Scope, send: Send) -> bool:
        found = self._answering(scope, send)
        if found is None:
            return False
        route, answering = found
        try:
            status = await answering()
        except DatabaseError:
            return False  # Django says so in its own way
        except Exception:
            log.exception("front_failed", path=scope["path"])
            return False
        if status:
            metrics.answered(route, status)
        return bool(status)

    def _answering(self, scope: Scope, send: Send) -> Answering | None:
        return self._file(scope, send) or self._page(scope, send)

    def _file(self, scope: Scope, send: Send) -> Answering | None:
        if scope["path"].startswith("/static/"):
            return "static/", partial(self._static, scope, send)
        if match := POSTER.fullmatch(scope["path"]):
            return "poster", partial(self._posters, scope, send, match[1], match[2])
        if scope["path"] in OFFLINE:
            return "offline", partial(self._offline, scope, send)
        return None

    def _page(self, scope: Scope, send: Send) -> Answering | None:
        path, hub = scope["path"], current_hub()
        if hub is None:
            return None
        if path == "/webinars/":
            return "webinars/", partial(self._schedule, hub, scope, send)
        if match := ROOM.fullmatch(path):
            return "account/webinar_room/", partial(
                self._room, hub, scope, send, int(match[1]) if match[1] else None
            )
        if match := STATE.fullmatch(path):
            return "api/webinars/<id>/state", partial(room_state, hub, scope, send, int(match[1]))
        return None


def _is_ours(scope: Scope) -> bool:
    """Whether the request names a host by which the installation is known; to others Django says what is wrong."""
    return _is_known(dict(scope["headers"]).get(b"host", b""))


@lru_cache(maxsize=100)
def _is_known(host: bytes) -> bool:
    return validate_host(split_domain_port(host.decode("latin-1"))[0], settings.ALLOWED_HOSTS)


def make_application() -> Application:
    """Build the whole ASGI application. Django must be set up."""
    return EdgeApplication(get_asgi_application())
