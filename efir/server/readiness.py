"""Report to systemd and load balancers whether this process is ready or draining."""

from __future__ import annotations

import os
import socket

import structlog

log = structlog.get_logger(__name__)

_draining = False


def notify_ready() -> None:
    """Notify systemd (`Type=notify`) that the process is ready."""
    _notify_systemd("READY=1")


def start_draining() -> None:
    """Make `/healthz` fail from now on, and close connections after each response."""
    global _draining  # noqa: PLW0603  # a process drains once
    _draining = True
    _notify_systemd("STOPPING=1")
    log.info("draining")


def is_draining() -> bool:
    """Return whether the process has been told to stop."""
    return _draining


def _notify_systemd(state: str) -> None:
    """Send one datagram as sd_notify(3) does, if systemd asks for it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(state.encode(), address)
    except OSError as exc:  # systemd is not reachable any more; continue
        log.warning("systemd_not_notified", error=exc.strerror)
