"""What this process has accepted in the last second, so that a flood is refused without the database."""

from __future__ import annotations

from efir.lib import clock
from efir.talk.writing import MAX_ACCEPTED_PER_SECOND

# The second, and how many messages each room took in it.
_second = 0
_accepted: dict[int, int] = {}


def note_accepted(webinar_id: int) -> None:
    """Count a message of somebody who does not moderate."""
    _begin_second()
    _accepted[webinar_id] = _accepted.get(webinar_id, 0) + 1


def is_busy(webinar_id: int) -> bool:
    """Return whether this process alone has accepted all that the room takes in this second."""
    _begin_second()
    return _accepted.get(webinar_id, 0) >= MAX_ACCEPTED_PER_SECOND


def _begin_second() -> None:
    global _second  # noqa: PLW0603  # of the process
    now = int(clock.now().timestamp())
    if now != _second:
        _second = now
        _accepted.clear()
