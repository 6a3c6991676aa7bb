"""What this process tells whoever started it and whoever sends it requests: that it is ready, and that it leaves."""

from __future__ import annotations

import os
import socket

import structlog

log = structlog.get_logger(__name__)

_leaving = False


def notify_ready() -> None:
    """Tell systemd (`Type=notify`) that the process serves."""
    _tell("READY=1")


def start_draining() -> None:
    """From now on `/healthz` answers that the process is leaving, and no connection is kept for another request."""
    global _leaving  # noqa: PLW0603  # a process leaves once
    _leaving = True
    _tell("STOPPING=1")
    log.info("leaving")


def is_draining() -> bool:
    """Whether the process has been told to stop."""
    return _leaving


def _tell(state: str) -> None:
    """One datagram to the socket of sd_notify(3), where there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    abstract = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.sendto(state.encode(), abstract)
    except OSError as exc:  # whoever asked to be told is gone; the work goes on
        log.warning("supervisor_not_told", error=exc.strerror)
