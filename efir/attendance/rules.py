"""The rules of the verdict: pure functions, so that the same evidence always gives the same verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from efir.attendance.intervals import Span, after, clip, last_s, total_s
from efir.attendance.models import UnknownReason
from efir.hooks.events import Reason
from efir.room.presence_store import PresenceSpan

NAME = "end_gap_within_grace"

# The largest share of the final grace period that may be unrecorded. A restart takes seconds, and browsers reconnect
# within seconds, so everybody who stayed is seen in the recorded half.
MAX_UNRECORDED_SHARE = 0.5


@dataclass(frozen=True)
class Rule:
    """The parameters of a verdict, in seconds: the grace period and the settle delay."""

    grace_s: float
    settle_s: float

    def __str__(self) -> str:
        return f"{NAME} grace_s={self.grace_s:g} settle_s={self.settle_s:g}"

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read a rule from its text. Raises ValueError if this version does not know it."""
        match = re.fullmatch(rf"{NAME} grace_s=(\S+) settle_s=(\S+)", text)
        if match is None:
            raise ValueError(text)
        return cls(float(match[1]), float(match[2]))


@dataclass(frozen=True)
class LiveTime:
    """A webinar's live time, without pauses, up to the stop; and when a web process was recording presence.

    `clock_moved`: the clock was set back meanwhile, so the times cannot be trusted.
    """

    spans: Sequence[Span]
    recorded: Sequence[Span]
    clock_moved: bool = False

    def unrecorded_seconds(self, spans: Sequence[Span]) -> float:
        """Return how many seconds of `spans` no process recorded."""
        return total_s(spans) - total_s(clip(spans, self.recorded))


@dataclass(frozen=True)
class VerdictResult:
    """The verdict on one person; `attended` is None if it is unknown, and `why_unknown` gives the reason."""

    attended: bool | None
    reason: Reason
    intervals: Sequence[Span]
    why_unknown: str = ""

    @property
    def present_s(self) -> float:
        return total_s(self.intervals)


def first_live_moment(seen: Sequence[PresenceSpan], live: Sequence[Span]) -> datetime | None:
    """Return when the person entered: the first moment of presence in live time, or None."""
    present = clip(((each.start, each.end) for each in seen), live)
    return present[0][0] if present else None


def evaluate(seen: Sequence[PresenceSpan], live_time: LiveTime, rule: Rule) -> VerdictResult:
    """Return the verdict on somebody who entered or held a seat, by the contract's table.

    Attended: less live time than the grace period passed between the last presence and the stop.
    """
    live = live_time.spans
    present = clip(((each.start, each.end) for each in seen), live)
    final = last_s(live, rule.grace_s)
    if live_time.clock_moved:
        why_unknown = UnknownReason.CLOCK_MOVED
    elif present and end_gap_s(present, live) < rule.grace_s:
        return VerdictResult(True, "stayed_to_end", present)
    elif final and live_time.unrecorded_seconds(final) > MAX_UNRECORDED_SHARE * total_s(final):
        why_unknown = UnknownReason.END_NOT_RECORDED
    elif present and lost_at_end(seen, live):
        why_unknown = UnknownReason.PROCESS_DIED
    elif not present and live_time.unrecorded_seconds(live) > rule.grace_s:
        why_unknown = UnknownReason.LIVE_TIME_NOT_RECORDED
    else:
        return VerdictResult(False, "left_early" if present else "no_show", present)
    return VerdictResult(None, "unknown", present, why_unknown)


def end_gap_s(present: Sequence[Span], live: Sequence[Span]) -> float:
    """Return the seconds of live time between the last presence and the stop."""
    return total_s(after(live, present[-1][1]))


def lost_at_end(seen: Sequence[PresenceSpan], live: Sequence[Span]) -> bool:
    """Return whether the last presence ended because the recording process died before the end of live time."""
    latest = max(each.end for each in seen)
    return any(each.lost and each.end == latest for each in seen) and total_s(after(live, latest)) > 0
