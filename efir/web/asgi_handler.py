"""Django's ASGI handler with one thread for a request.

Django's own takes every middleware and every signal of a synchronous project to a thread by itself: some thirty
switches between the event loop and a thread that is started for the request, with a new connection to the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import IO, Any, TypeAlias

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from efir.lib.asgi import Scope, Send
from efir.web.request_metrics import TO_KEEP

# As Django's own handler has it.
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]

# Threads are started as they are needed and kept with their connections, of half a megabyte each with SQLite. Most of
# them wait for the database, which may be unreachable for ten seconds, or for a password's hash.
THREADS = 32
# Pages that are only read. With SQLite they never wait, and more threads only compete for Python's global lock at each
# query: two threads answer half as many again as 32.
READING_THREADS = 2
READING_METHODS = frozenset({"GET", "HEAD"})
# For requests that must not wait behind a rush of others: pages that the edge caches, and the health checks of a load
# balancer.
RESERVED_THREADS = 4
RESERVED_PATHS = frozenset({"/healthz", "/metrics"})


class OneThreadHandler(ASGIHandler):
    """Runs middleware, view and signals of a request in one call in a thread of a pool."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="efir-django")
        # With PostgreSQL a page may wait, for the network or while the server is unreachable.
        threads = READING_THREADS if settings.EFIR.is_sqlite else THREADS
        reading = ThreadPoolExecutor(threads, thread_name_prefix="efir-django-reading")
        reserved = ThreadPoolExecutor(RESERVED_THREADS, thread_name_prefix="efir-django-reserved")
        # Not a plain `run_in_executor`: the thread needs the log's context, and asynchronous views the event loop.
        self._respond_in_thread = sync_to_async(self._respond, thread_sensitive=False, executor=pool)
        self._respond_reading = sync_to_async(self._respond, thread_sensitive=False, executor=reading)
        self._respond_soon = sync_to_async(self._respond, thread_sensitive=False, executor=reserved)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        respond = self._respond_in_thread
        if scope.get(TO_KEEP) or scope["path"] in RESERVED_PATHS:
            respond = self._respond_soon
        elif scope["method"] in READING_METHODS:
            respond = self._respond_reading
        with closing(body):
            response = await respond(scope, body)
            if isinstance(response, StreamingHttpResponse):
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)

    def _respond(self, scope: Scope, body: IO[bytes]) -> HttpResponseBase:
        """Return the response; close it, with everything that it used, unless it streams."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, body)
        response: HttpResponseBase | None = refusal
        if request is not None:
            response = self.get_response(request)
        assert response is not None  # noqa: S101  # there is a request or a refusal
        if not response.streaming:
            response.close()
        return response

    async def _stream(self, response: StreamingHttpResponse, receive: Receive, send: Send) -> None:
        """Send the parts as they come, until the client goes away."""
        async with ThreadSensitiveContext():
            sending = asyncio.ensure_future(self.send_response(response, send))
            gone = asyncio.ensure_future(self.listen_for_disconnect(receive))
            try:
                await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                for task in (sending, gone):
                    task.cancel()
                    with suppress(asyncio.CancelledError, RequestAborted):
                        await task
                await sync_to_async(response.close)()
