"""Reject new connections with 503 near the file-descriptor limit; keep existing ones."""

from __future__ import annotations

import resource

import structlog

from efir.edge import error_responses
from efir.lib import metrics
from efir.lib.asgi import Receive, Scope, Send
from efir.lib.log import RepeatLimit

# For the database, Telegram and files. Without them a full process would also fail its existing viewers.
SPARE_FILES = 128
RETRY_AFTER_S = 5
# A connection above the limit that sends no request is closed after this long.
REQUEST_WITHIN_S = 2.0

log = structlog.get_logger(__name__)


class FdLimit:
    """Tells whether this process has room for one more connection."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        spare = min(SPARE_FILES, limit // 4)
        self._first_too_high = limit - spare
        # Connections that wait for their refusal may take half of the spare descriptors, and no more.
        self._first_not_refused = limit - spare // 2
        self._log_limit = RepeatLimit()

    @classmethod
    def from_rlimit(cls) -> FdLimit:
        """Make it from the limit that the process has now."""
        soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(2**31 if soft == resource.RLIM_INFINITY else soft)

    def exceeds_limit(self, fd: int) -> bool:
        """Return whether a new connection with this descriptor is one too many.

        The kernel gives the lowest free number, so all numbers below `fd` are taken.
        """
        if fd < self._first_too_high:
            return False
        if self._log_limit.is_due():
            log.error(
                "fd_limit_reached", limit=self._limit, do="raise the limit (LimitNOFILE), or add a process"
            )
        return True

    def leaves_no_refusal(self, fd: int) -> bool:
        """Return whether a new connection with this descriptor is closed at once, without a response."""
        return fd >= self._first_not_refused


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer any request with 503 and `Retry-After`, and close its connection."""
    if scope["type"] != "http":
        return
    metrics.count_request("refused", 503)
    headers = [(b"retry-after", b"%d" % RETRY_AFTER_S), (b"connection", b"close")]
    await error_responses.refuse(scope, send, 503, headers)
