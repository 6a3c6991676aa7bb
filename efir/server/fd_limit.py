"""When the files of this process run out: who comes is told so and sent away, and who is there keeps what they have."""

from __future__ import annotations

import resource
import time

import structlog
from django.utils import translation
from django.utils.translation import gettext

from efir.lib import metrics
from efir.lib.asgi import Receive, Scope, Send, answer, cookies_of, header_of
from efir.web.locale import language_of
from efir.web.security_headers import EVERYWHERE

# For the database, Telegram and files. Without them a full house would fail those who are in it, too.
SPARE_FILES = 128
RETRY_AFTER_S = 5
# Who is one too many and asks for nothing gives their descriptor back after this long.
ASKS_WITHIN_S = 2.0
TELL_EVERY_S = 60.0

log = structlog.get_logger(__name__)


class FdLimit:
    """Whether there is room for one connection more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._first_too_many = limit - min(SPARE_FILES, limit // 4)
        self._told_at = -TELL_EVERY_S

    def is_too_many(self, fd: int) -> bool:
        """Whether a new connection with this descriptor is one too many.

        The kernel gives the lowest number that is free: all below this one are taken.
        """
        if fd < self._first_too_many:
            return False
        if time.monotonic() - self._told_at >= TELL_EVERY_S:
            self._told_at = time.monotonic()
            log.error(
                "files_run_out", limit=self._limit, do="raise the limit (LimitNOFILE), or add a process"
            )
        return True


def of_this_process() -> FdLimit:
    """By the limit that the process has now."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FdLimit(2**31 if soft == resource.RLIM_INFINITY else soft)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer any request with 503 and when to come back; the connection ends with it."""
    if scope["type"] != "http":
        return
    metrics.answered("refused", 503)
    language = language_of(cookies_of(scope), header_of(scope, b"accept-language"))
    with translation.override(language):
        body = gettext(
            "Сейчас здесь слишком много людей. Попробуйте ещё раз через несколько секунд."
        ).encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"%d" % RETRY_AFTER_S),
        (b"connection", b"close"),
        *EVERYWHERE,
    ]
    await answer(send, 503, headers, body)
