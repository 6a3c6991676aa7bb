"""The verdict, from the evidence alone: pure functions, so that the same evidence gives the same verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from efir.attendance.intervals import Span, after, clip, last_s, total_s
from efir.hooks.events import Reason
from efir.room.presence_store import PresenceSpan

NAME = "end_gap_within_grace"

# A share of the final grace without a pulse that is still enough to have seen who came back: a restart of the
# server takes seconds, and the pages reconnect within seconds.
BLIND_SHARE = 0.5


@dataclass(frozen=True)
class Rule:
    """The values that a verdict used, in seconds."""

    grace_s: float
    settle_s: float

    def __str__(self) -> str:
        return f"{NAME} grace_s={self.grace_s:g} settle_s={self.settle_s:g}"

    @classmethod
    def parse(cls, text: str) -> Rule:
        """The rule from its text; raises ValueError for one that this version does not know."""
        match = re.fullmatch(rf"{NAME} grace_s=(\S+) settle_s=(\S+)", text)
        if match is None:
            raise ValueError(text)
        return cls(float(match[1]), float(match[2]))


@dataclass(frozen=True)
class Evening:
    """What is common to everybody: live time (pauses cut out, clipped at the stop) and when the system saw.

    `clock_moved`: the clock was set back meanwhile, so that live time is not what it seems.
    """

    live: Sequence[Span]
    covered: Sequence[Span]
    clock_moved: bool = False

    def uncovered_seconds(self, spans: Sequence[Span]) -> float:
        """How much of `spans` no pulse covers."""
        return total_s(spans) - total_s(clip(spans, self.covered))


@dataclass(frozen=True)
class VerdictResult:
    """One verdict. `why_unknown` says what the system did not see, where it holds the verdict."""

    attended: bool | None
    reason: Reason
    intervals: Sequence[Span]
    why_unknown: str = ""

    @property
    def present_s(self) -> float:
        return total_s(self.intervals)


def first_live_moment(seen: Sequence[PresenceSpan], live: Sequence[Span]) -> datetime | None:
    """When the person entered: the first moment at which they were seen in live time."""
    present = clip(((each.start, each.end) for each in seen), live)
    return present[0][0] if present else None


def judge(seen: Sequence[PresenceSpan], evening: Evening, rule: Rule) -> VerdictResult:
    """The verdict on somebody who entered, or who holds a seat and did not (the contract's table)."""
    present = clip(((each.start, each.end) for each in seen), evening.live)
    if evening.clock_moved:
        return VerdictResult(None, "unknown", present, "clock_moved")
    if present and end_gap_s(present, evening.live) < rule.grace_s:
        return VerdictResult(True, "stayed_to_end", present)
    blind = unknown_reason(seen, bool(present), evening, rule)
    if blind:
        return VerdictResult(None, "unknown", present, blind)
    return VerdictResult(False, "left_early" if present else "no_show", present)


def end_gap_s(present: Sequence[Span], live: Sequence[Span]) -> float:
    """How much live time went by between the last presence and the stop."""
    return total_s(after(live, present[-1][1]))


def unknown_reason(seen: Sequence[PresenceSpan], entered: bool, evening: Evening, rule: Rule) -> str:
    final = last_s(evening.live, rule.grace_s)
    if final and evening.uncovered_seconds(final) > BLIND_SHARE * total_s(final):
        return "final_grace_unseen"
    if entered and lost_at_end(seen, evening.live):
        return "process_died"
    if not entered and evening.uncovered_seconds(evening.live) > rule.grace_s:
        return "live_time_unseen"
    return ""


def lost_at_end(seen: Sequence[PresenceSpan], live: Sequence[Span]) -> bool:
    """Whether the last that was seen of the person is a process that died with them, before live time ended."""
    latest = max(each.end for each in seen)
    return any(each.lost and each.end == latest for each in seen) and total_s(after(live, latest)) > 0
