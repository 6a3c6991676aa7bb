"""Exit even if a thread hangs: the log names the thread, and the process ends as in a crash."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

import structlog

# Counted from the end of EFIR_DRAIN_S. systemd and container runtimes kill after ten seconds or more.
EXIT_WITHIN_S = 9.0
# If writing the log hangs (for example on a full pipe), the exit does not wait for it.
LOG_WITHIN_S = 0.5

PACKAGE = str(Path(__file__).parents[1])
# A thread in these only waits for the others.
WAITING_MODULES = {"efir.server.processes", __name__}

log = structlog.get_logger(__name__)


def exit_after(seconds: float) -> None:
    """Exit the process after this many seconds, because a thread may wait forever for a hung database.

    Other processes then recover its claims and leases as after a crash.
    """
    timer = threading.Timer(seconds, _exit_now)
    timer.daemon = True
    timer.start()


def _exit_now() -> None:
    logging_thread = threading.Thread(target=_log_stuck_threads, daemon=True)
    logging_thread.start()
    logging_thread.join(LOG_WITHIN_S)
    os._exit(1)


def _log_stuck_threads() -> None:
    log.error("forced_exit", hanging=stuck_threads())
    logging.shutdown()


def stuck_threads() -> list[str]:
    """Name each thread that is in Efir's own code, with the innermost function of Efir that it is in."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stuck = []
    for ident, innermost in sys._current_frames().items():
        frame = innermost
        while frame.f_back is not None and not frame.f_code.co_filename.startswith(PACKAGE):
            frame = frame.f_back
        module = str(frame.f_globals.get("__name__", ""))
        if frame.f_code.co_filename.startswith(PACKAGE) and module not in WAITING_MODULES:
            stuck.append(f"{names.get(ident, '?')}: {module}.{frame.f_code.co_qualname}")
    return sorted(stuck)
