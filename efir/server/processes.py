"""The long-running commands: which parts run in one process, and how they end together."""

from __future__ import annotations

import asyncio
import ctypes
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
import uvloop
from django.conf import settings

from efir.config import ConfigError
from efir.edge.application import make_application
from efir.lib.concurrency import in_thread
from efir.server import readiness
from efir.server.forced_exit import END_WITHIN_S, exit_after
from efir.server.locks import blocking_lock, exclusive_lock
from efir.server.web import listen, serve_web
from efir.server.worker import Worker
from efir.server.worker_http import serve_numbers
from efir.telegram.bot import lease
from efir.telegram.dispatcher.dispatcher import Dispatcher
from efir.web import staticfiles

log = structlog.get_logger(__name__)

M_ARENA_MAX = -8  # malloc.h

Application = Callable[..., Any]
Part = Callable[[asyncio.Event], Awaitable[None]]


def run_serve() -> int:
    """`efir serve`: web and worker in one."""
    with exclusive_lock("web"), exclusive_lock("worker"):
        return run_parts(web_part(make_application), worker_part)


def run_web() -> int:
    """`efir web`."""
    with exclusive_lock("web"):
        return run_parts(web_part(make_application))


def run_worker() -> int:
    """`efir worker`."""
    with exclusive_lock("worker"):
        port = settings.EFIR.metrics_port
        return run_parts(worker_part, *([metrics_server(port)] if port else []))


def web_part(make_application: Callable[[], Application]) -> Part:
    """The web part."""
    application = with_static_files(make_application)
    listening = _listening(settings.EFIR.port, "EFIR_PORT")

    async def web(stop: asyncio.Event) -> None:
        await serve_web(application, listening, stop)

    log.info(
        "web_starting", host=settings.EFIR.host, port=listening.getsockname()[1], files=raise_nofile_limit()
    )
    return web


def with_static_files(make_application: Callable[[], Application]) -> Application:
    """An application made when the static files are there: it looks for them when it is.

    One process after the other: collecting takes hashed files away and puts them back.
    """
    with blocking_lock(settings.EFIR.data_dir / "static.lock"):
        staticfiles.collect()
        return make_application()


def metrics_server(port: int) -> Part:
    """The worker's port for `/metrics`."""
    listening = _listening(port, "EFIR_METRICS_PORT")
    return lambda stop: serve_numbers(listening, stop)


def _listening(port: int, variable: str) -> socket.socket:
    """Raises ConfigError where the address is not to be had."""
    host = settings.EFIR.host
    try:
        return listen(host, port)
    except OSError as exc:
        raise ConfigError(f"cannot listen on {host}:{port} (EFIR_HOST, {variable}): {exc.strerror}.") from exc


def raise_nofile_limit() -> int:
    """Every viewer is an open file: take as many as the system gives this process without asking; how many that is."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a hard limit without an end is not taken everywhere
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


async def worker_part(stop: asyncio.Event) -> None:
    readiness.notify_ready()
    async with asyncio.TaskGroup() as group:
        group.create_task(Worker().run(stop))
        if settings.EFIR.telegram_token:
            if settings.EFIR.is_sqlite:  # `alone` has made sure of it: whoever held the lease is dead
                await in_thread(lease.force_release)
            dispatcher = Dispatcher()
            group.create_task(dispatcher.run())
            await stop.wait()
            dispatcher.stop()


def run_parts(*parts: Part) -> int:
    limit_malloc_arenas()
    uvloop.run(run_all(parts))
    log.info("stopped")
    return 0


def limit_malloc_arenas() -> None:
    """Let glibc's threads share two arenas of memory: with one for each, what a rush leaves behind in it is kept."""
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


async def run_all(parts: tuple[Part, ...]) -> None:
    async with _stop_signal() as stop, asyncio.TaskGroup() as group:
        group.create_task(_end_in_time(stop))
        for part in parts:
            group.create_task(_until_stopped(part, stop))


async def _end_in_time(stop: asyncio.Event) -> None:
    await stop.wait()
    exit_after(settings.EFIR.drain_s + END_WITHIN_S)


async def _until_stopped(part: Part, stop: asyncio.Event) -> None:
    """A part that ends takes the others with it: a supervisor starts the whole process again."""
    try:
        await part(stop)
    finally:
        stop.set()


@asynccontextmanager
async def _stop_signal() -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    yield stop
