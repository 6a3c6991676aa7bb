"""Logs that say what happened to whom, by number: no address, chat id, token or password is ever written."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import structlog

_RESET_PATH = re.compile(r"(/account/reset/)[^\s\"'?]+")
_BOT_PATH = re.compile(r"/bot\d+(?::|%3A)[A-Za-z0-9_-]+", re.IGNORECASE)

# httpx logs whole addresses, and in the Bot API's the token is a part of the address; axes logs log-ins.
_QUIET = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "axes": logging.ERROR,
    "telegram": logging.WARNING,
}

AGAIN_S = 60.0


def without_token(text: str) -> str:
    """The text with the tokens in addresses blotted out: the bot's, and those that set a password."""
    return _RESET_PATH.sub(r"\1***", _BOT_PATH.sub("/bot***", text))


def _blot(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and "/" in value:
            event[key] = without_token(value)
    return event


def _short_if_the_client_is_wrong(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    # Every scanner sends a wrong Host: Django's line says all of it, a traceback to its own code nothing more.
    if event.get("logger", "").startswith("django.security."):
        event.pop("exc_info", None)
    return event


def configure_logging(level: str, form: str = "auto") -> None:
    """Send every log line from `level` up through structlog.

    `form`: `json` and `text`, or `auto`, which is text on a terminal and JSON elsewhere.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _short_if_the_client_is_wrong,
        structlog.processors.format_exc_info,
        _blot,
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
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


class ThrottledErrorLog:
    """One thing that is tried again and again: its first failure is told, then one a minute, and the end of it."""

    def __init__(self, log: Any, event: str, **about: Any) -> None:
        self._log = log.bind(**about)
        self._event = event
        self._count = 0
        self._told_at = 0.0

    def failed(self, **about: Any) -> None:
        """To be called in the `except` of a try that failed."""
        self._count += 1
        if self._count == 1 or time.monotonic() - self._told_at >= AGAIN_S:
            self._told_at = time.monotonic()
            self._log.exception(self._event, count=self._count, **about)

    def succeeded(self) -> None:
        """To be called after a try that did not fail."""
        if self._count:
            self._log.info(f"{self._event.removesuffix('_failed')}_recovered", count=self._count)
            self._count = 0
