"""The ASGI application: the routes that are answered here, and Django for the rest."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.http.request import split_domain_port, validate_host

from efir.broadcast import media
from efir.broadcast.playlist import Rendition
from efir.broadcast.recording_links import LINK_PATTERN
from efir.edge.body_limit import BodyLimitMiddleware
from efir.edge.cached_files import OfflineFiles, StaticFiles, logo_files, poster_files, theme_file
from efir.edge.cached_forms import LogInPage, SignUpPage
from efir.edge.cached_pages import RoomPage, SchedulePage, room_state
from efir.edge.password_queue import PasswordQueueMiddleware
from efir.edge.recordings import recording_file
from efir.edge.request_id import RequestIdMiddleware
from efir.edge.schedule_edition import ScheduleEditions
from efir.edge.talk import refuse_flood
from efir.edge.video import MEDIA_ROUTE, LivePlaylist, MediaFiles
from efir.edge.watch import watch
from efir.lib import ids, metrics
from efir.lib.asgi import Application, PreparedResponse, Receive, Scope, Send
from efir.room.sse import PATH as STREAM
from efir.room.sse import stream
from efir.site_settings.logo import ID as LOGO_ID
from efir.web.asgi_handler import OneThreadHandler
from efir.webinars.posters.formats import ID as POSTER_ID

_VIDEO = rf"/account/webinar_room/({ids.PATTERN})/video/"

log = structlog.get_logger(__name__)


class Route(NamedTuple):
    """A pattern of paths, its label in the metrics, its handler, and the one method that it answers.

    The handler is called with scope, send and the groups of the pattern. It returns the HTTP status of its response, or
    0 if it has sent nothing and leaves the request to Django.
    """

    pattern: re.Pattern[str]
    name: str
    handler: Callable[..., Awaitable[int]]
    method: str = "GET"


def edge_routes(django: Application, media_files: MediaFiles | None = None) -> tuple[Route, ...]:
    """Return every route that is answered before Django; `django` renders the pages to cache."""
    editions = ScheduleEditions()
    return (
        # The most frequent first: each viewer of an own broadcast asks for a segment each second.
        Route(media.PATH, MEDIA_ROUTE, media_files or MediaFiles()),
        Route(_path(r"/static/.+"), "static/", StaticFiles()),
        Route(_path(rf"/posters/({POSTER_ID})/([\w.]+)"), "poster", poster_files()),
        Route(_path(rf"/site/logo/({LOGO_ID})/([\w.]+)"), "site_logo", logo_files()),
        Route(_path(r"/site/theme/([0-9a-f]{6})\.css"), "site_theme", theme_file),
        Route(_path(r"/offline/|/offline\.js"), "offline", OfflineFiles(django)),
        Route(_path(r"/webinars/"), "webinars/", SchedulePage(django, editions)),
        Route(_path(r"/signup/"), "signup/", SignUpPage(django, editions)),
        Route(_path(r"/login/"), "login/", LogInPage(django, editions)),
        Route(
            _path(rf"/account/webinar_room/(?:({ids.PATTERN})/)?"),
            "account/webinar_room/",
            RoomPage(django, editions),
        ),
        Route(_path(rf"/api/webinars/({ids.PATTERN})/state"), "api/webinars/<id>/state", room_state),
        Route(
            _path(rf"/account/webinar_room/({ids.PATTERN})/watch"),
            "account/webinar_room/<id>/watch",
            watch,
            "POST",
        ),
        Route(
            _path(rf"/account/webinar_room/({ids.PATTERN})/messages"),
            "account/webinar_room/<id>/messages",
            refuse_flood,
            "POST",
        ),
        *(
            Route(_path(rf"{_VIDEO}{name}\.m3u8"), f"video/{name}.m3u8", LivePlaylist(name))
            for name in Rendition
        ),
        Route(
            _path(rf"/recordings/({LINK_PATTERN})/video\.(m3u8|mp4)"),
            "recordings/<token>/video",
            recording_file,
        ),
    )


def _path(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


class EdgeApplication:
    """The whole ASGI application: the event stream, then the routes of the edge, then Django."""

    def __init__(self, django: Application) -> None:
        self._media = MediaFiles()
        self.routes = edge_routes(django, self._media)
        self._django = BodyLimitMiddleware(PasswordQueueMiddleware(RequestIdMiddleware(django)))
        # TLS ends in a proxy. Its public URL says which scheme visitors use, so no header has to be trusted for it.
        self._scheme = "https" if settings.EFIR.is_https else "http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. There is no lifespan: the server opens and closes the hub itself."""
        if scope["type"] == "http":
            scope["scheme"] = self._scheme
            if match := STREAM.fullmatch(scope["path"]):
                return await stream(scope, receive, send, int(match[1]))
            if await self._answer(scope, send):
                return None
        return await self._django(dict(scope), receive, send)

    def respond_at_once(self, path: str) -> PreparedResponse | None:
        """Return the response to a GET of this path if it is in memory and is the same for everybody, else None."""
        return self._media.from_memory(path) if path.startswith("/media/") else None

    async def _answer(self, scope: Scope, send: Send) -> int:
        """Return the HTTP status of the response, or 0 if the request is left to Django."""
        # Django explains an unknown host.
        if not _is_known_host(dict(scope["headers"]).get(b"host", b"")):
            return 0
        for route in self.routes:
            if scope["method"] == route.method and (match := route.pattern.fullmatch(scope["path"])):
                try:
                    status = await route.handler(scope, send, *match.groups())
                except DatabaseError:
                    return 0  # Django has a page for it
                except Exception:
                    log.exception("edge_failed", path=scope["path"])
                    return 0
                if status:
                    metrics.count_request(route.name, status)
                return status
        return 0


@lru_cache(maxsize=100)
def _is_known_host(host: bytes) -> bool:
    return validate_host(split_domain_port(host.decode("latin-1"))[0], settings.ALLOWED_HOSTS)


def make_application() -> Application:
    """Build the whole ASGI application. Django must be set up."""
    return EdgeApplication(OneThreadHandler())
