"""The end of a process comes in any case: what hangs then is named in the log, and left behind as by a crash."""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path
from types import FrameType

import structlog

# After EFIR_DRAIN_S; whoever started the process waits longer than ten seconds.
END_WITHIN_S = 9.0
# Where it is the log that hangs (a full pipe, say), nobody waits for it.
TELL_WITHIN_S = 0.5

PACKAGE = str(Path(__file__).parents[1])

log = structlog.get_logger(__name__)


def exit_after(seconds: float) -> None:
    """From now on the process has so long: a thread that waits for a frozen database would be waited for without end.

    What it leaves is taken up as after a crash.
    """
    last = threading.Timer(seconds, _end_now)
    last.daemon = True
    last.start()


def _end_now() -> None:
    telling = threading.Thread(target=_tell, daemon=True)
    telling.start()
    telling.join(TELL_WITHIN_S)
    os._exit(1)


def _tell() -> None:
    log.error("ended_by_force", hanging=stuck_threads())
    logging.shutdown()


def stuck_threads() -> list[str]:
    """What each other thread is at in Efir's own code; those that rest, or only wait for the others, are left out."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = [(names.get(ident, "?"), _own(frame)) for ident, frame in sys._current_frames().items()]
    return sorted(f"{name}: {_named(frame)}" for name, frame in frames if frame and not _is_waiting(frame))


def _own(frame: FrameType | None) -> FrameType | None:
    """The innermost function of this package that the thread is in, if it is in any."""
    while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame


def _is_waiting(frame: FrameType) -> bool:
    return _module(frame) in {"efir.server.processes", __name__}


def _named(frame: FrameType) -> str:
    return f"{_module(frame)}.{frame.f_code.co_qualname}"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
