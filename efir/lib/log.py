"""Logging through structlog. Log lines name people by id: no address, chat id, token or password is written."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import structlog

from efir.lib.postgresql.errors import is_read_only

_RESET_PATH = re.compile(r"(/account/reset/)[^\s\"'?]+")
_BOT_PATH = re.compile(r"/bot\d+(?::|%3A)[A-Za-z0-9_-]+", re.IGNORECASE)

# httpx logs addresses, which for the Bot API contain the token; axes logs logins.
_MIN_LEVELS = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "axes": logging.ERROR,
    "telegram": logging.WARNING,
}

# To be removed in 0.3: the events' names of 0.1, logged as `formerly` so that filters and alerts go on.
_FORMER_EVENTS = {
    "lease_acquired": "turn_began",
    "lease_released": "turn_ended",
    "rate_limited": "told_to_wait",
    "notice_loop_failed": "courier_failed",
    "polling_failed": "linker_failed",
    "fd_limit_reached": "files_run_out",
    "presence_for_deleted_dropped": "presence_of_nobody",
    "job_failed": "duty_failed",
    "job_recovered": "duty_failed_over",
    "socket_handover_failed": "stream_not_taken_over",
    "forced_exit": "ended_by_force",
    "edge_failed": "front_failed",
    "request_throttled": "tries_too_often",
    "viewer_disconnected": "viewer_sent_away",
}

# What lasts is logged again after this time.
REPEAT_S = 60.0


class RepeatLimit:
    """Tells whether a line that would be logged all the time is due: at once, and then after `REPEAT_S` each time."""

    def __init__(self) -> None:
        self._logged_at = -REPEAT_S

    def is_due(self) -> bool:
        """Return whether to log the line now. If so, it counts as logged."""
        if time.monotonic() - self._logged_at < REPEAT_S:
            return False
        self._logged_at = time.monotonic()
        return True


def without_token(text: str) -> str:
    """Return the text with the tokens in addresses masked: the bot's, and those of password links."""
    return _RESET_PATH.sub(r"\1***", _BOT_PATH.sub("/bot***", text))


def _mask_tokens(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and "/" in value:
            event[key] = without_token(value)
    return event


def _drop_client_error_traceback(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    # Scanners send wrong Host headers. Django's message says it all; a traceback into Django adds nothing.
    if event.get("logger", "").startswith("django.security."):
        event.pop("exc_info", None)
    return event


class _ReadOnlyLog:
    """Log once a minute that the database takes no writes, in place of the traceback of each write that failed."""

    def __init__(self) -> None:
        self._limit = RepeatLimit()

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if not self.applies(event.get("exc_info")):
            return event
        if not self._limit.is_due():
            raise structlog.DropEvent
        for name in ("exc_info", "formerly"):
            event.pop(name, None)
        event["failed"], event["event"] = event.get("event"), "database_read_only"
        event["do"] = "name the primary in EFIR_DATABASE_URL, or let the server write again"
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """Do the same for a record of the standard library: DropEvent has no meaning there."""
        is_from_structlog = isinstance(record.msg, dict)  # and so came through `__call__`
        if is_from_structlog or not self.applies(record.exc_info):
            return True
        record.exc_info = None
        record.msg, record.args = "database_read_only", ()
        return self._limit.is_due()

    @staticmethod
    def applies(exc_info: Any) -> bool:
        if exc_info is True:
            exc_info = sys.exc_info()
        exc = exc_info[1] if isinstance(exc_info, tuple) else exc_info
        return is_read_only(exc or None)  # False if asyncio reports something that is no exception


def _add_former_name(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if former := _FORMER_EVENTS.get(event.get("event", "")):
        event["formerly"] = former
    return event


def configure_logging(level: str, form: str = "auto") -> None:
    """Send all log lines of at least `level` through structlog.

    `form` is `json`, `text`, or `auto` for text on a terminal and JSON elsewhere.
    """
    read_only = _ReadOnlyLog()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_client_error_traceback,
        _add_former_name,
        read_only,
        structlog.processors.format_exc_info,
        _mask_tokens,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = (
        structlog.dev.ConsoleRenderer(pad_event_to=28, colors=sys.stderr.isatty())
        if form == "text" or (form == "auto" and sys.stderr.isatty())
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(read_only)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, least in _MIN_LEVELS.items():
        logging.getLogger(name).setLevel(least)


class ThrottledErrorLog:
    """Log the first failure of something that is tried repeatedly, then one a minute, and the recovery."""

    def __init__(self, log: Any, event: str, **about: Any) -> None:
        self._log = log.bind(**about)
        self._event = event
        self._count = 0
        self._limit = RepeatLimit()

    def failed(self, **about: Any) -> None:
        """Log the current exception, unless one was logged in the last minute. To be called in `except`."""
        self._count += 1
        if self._count == 1:
            self._limit = RepeatLimit()  # a new failure is logged at once
        if self._limit.is_due():
            self._log.exception(self._event, count=self._count, **about)

    def succeeded(self) -> None:
        """Log the recovery, if there were failures."""
        if self._count:
            self._log.info(f"{self._event.removesuffix('_failed')}_recovered", count=self._count)
            self._count = 0
