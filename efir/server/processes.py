"""The long-running commands: the components that run in one process, and how they end together."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import structlog
import uvloop
from django.conf import settings

from efir.broadcast import lease as broadcast_lease
from efir.broadcast.recording_job import RecordingJob
from efir.broadcast.rtmp.server import serve_rtmp
from efir.broadcast.segmenter import Segmenter
from efir.config import ConfigError
from efir.edge.application import make_application
from efir.lib.concurrency import in_thread
from efir.server import readiness, secret_key
from efir.server.forced_exit import EXIT_WITHIN_S, exit_after
from efir.server.locks import blocking_lock, exclusive_lock
from efir.server.web import listen, serve_metrics, serve_web
from efir.server.worker import Worker
from efir.telegram.bot import lease
from efir.telegram.dispatcher.dispatcher import Dispatcher
from efir.web import staticfiles

log = structlog.get_logger(__name__)

M_ARENA_MAX = -8  # of malloc.h
# Objects made before the collector looks for cycles. By default it looks after 700, several times for each page; what a
# page leaves in cycles is small.
GC_THRESHOLD = 20_000

Application: TypeAlias = Callable[..., Any]
# Runs until the event is set.
Component: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]


def run_serve() -> int:
    """Run `efir serve`: web and worker in one process."""
    with exclusive_lock("web"), exclusive_lock("worker"):
        secret_key.confirm()
        return run_components(web_component(make_application), worker_component)


def run_web() -> int:
    """Run `efir web`."""
    with exclusive_lock("web"):
        secret_key.confirm()
        return run_components(web_component(make_application))


def run_worker() -> int:
    """Run `efir worker`."""
    with exclusive_lock("worker"):
        secret_key.confirm()
        components: list[Component] = [worker_component]
        if port := settings.EFIR.metrics_port:
            components.append(partial(serve_metrics, _listen(port, "EFIR_METRICS_PORT")))
        return run_components(*components)


def web_component(make_application: Callable[[], Application]) -> Component:
    """Collect static files, make the application and listen. Raises ConfigError if the address is taken."""
    application = with_static_files(make_application)
    listening = _listen(settings.EFIR.port, "EFIR_PORT")
    port, files = listening.getsockname()[1], raise_nofile_limit()
    log.info("web_starting", host=settings.EFIR.host, port=port, files=files)
    return partial(serve_web, application, listening)


def with_static_files(make_application: Callable[[], Application]) -> Application:
    """Make an application that reads the collected static files.

    Processes take turns, because collecting removes hashed files and writes them again.
    """
    with blocking_lock(settings.EFIR.data_dir / "static.lock"):
        staticfiles.collect()
        return make_application()


def _listen(port: int, variable: str) -> socket.socket:
    host = settings.EFIR.host
    try:
        return listen(host, port)
    except OSError as exc:
        raise ConfigError(f"cannot listen on {host}:{port} (EFIR_HOST, {variable}): {exc.strerror}.") from exc


def raise_nofile_limit() -> int:
    """Raise the soft limit of open files to the hard one, because every viewer is a file; return the limit."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems refuse an infinite soft limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


async def worker_component(stop: asyncio.Event) -> None:
    """Run the worker's jobs, and the dispatcher if there is a bot."""
    readiness.notify_ready()
    async with asyncio.TaskGroup() as group:
        group.create_task(Worker().run(stop))
        if settings.EFIR.is_sqlite:  # with the exclusive lock held, any other holder of a lease is dead
            await in_thread(broadcast_lease.force_release_all)
        group.create_task(Segmenter().run(stop))
        group.create_task(RecordingJob().run(stop))
        group.create_task(serve_rtmp(stop))
        if settings.EFIR.telegram_token:
            if settings.EFIR.is_sqlite:  # as above
                await in_thread(lease.force_release)
            dispatcher = Dispatcher()
            group.create_task(dispatcher.run())
            await stop.wait()
            dispatcher.stop()


def run_components(*components: Component) -> int:
    """Run components in one event loop until SIGTERM or SIGINT; return the exit code."""
    limit_malloc_arenas()
    collect_garbage_less_often()
    uvloop.run(run_all(components))
    log.info("stopped")
    return 0


def limit_malloc_arenas() -> None:
    """Let glibc's threads share two arenas; with one for each, memory that is used in a rush is never returned."""
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def collect_garbage_less_often() -> None:
    """Exclude the loaded modules from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])


async def run_all(components: tuple[Component, ...]) -> None:
    """Run components until a signal or the end of one of them, then end all of them in time."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async def run(component: Component) -> None:
        try:
            await component(stop)
        finally:
            stop.set()  # if one ends, all end, and systemd restarts the whole process

    async with asyncio.TaskGroup() as group:
        for component in components:
            group.create_task(run(component))
        await stop.wait()
        exit_after(settings.EFIR.drain_s + EXIT_WITHIN_S)
