"""The rules of the verdict: pure functions, so that the same evidence always gives the same verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from efir.attendance.intervals import Span, after, clip, last_s, total_s, without
from efir.attendance.models import UnknownReason
from efir.hooks.events import Reason
from efir.room.presence_store import PresenceSpan

# The first rule: to be in the room to the end is enough. The second one asks for watching, too.
NAME = "end_gap_within_grace"
NAME_WITH_WATCHING = "end_gap_within_grace_and_watched"
_TEXTS = (
    re.compile(rf"{NAME} grace_s=(\S+) settle_s=(\S+)"),
    re.compile(rf"{NAME_WITH_WATCHING} grace_s=(\S+) settle_s=(\S+) min_watched=(\S+)"),
)

# The largest share of the final grace period that may be unrecorded. A restart takes seconds, and browsers reconnect
# within seconds, so everybody who stayed is seen in the recorded half.
MAX_UNRECORDED_SHARE = 0.5


@dataclass(frozen=True)
class Rule:
    """The parameters of a verdict: the grace period and the settle delay in seconds.

    `min_watched`: the least share of the live time that has to be watched, in percent; 0 for the first rule.
    """

    grace_s: float
    settle_s: float
    min_watched: float = 0

    def __str__(self) -> str:
        times = f"grace_s={self.grace_s:g} settle_s={self.settle_s:g}"
        if not self.min_watched:
            return f"{NAME} {times}"
        return f"{NAME_WITH_WATCHING} {times} min_watched={self.min_watched:g}"

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read a rule from its text. Raises ValueError if this version does not know it."""
        for pattern in _TEXTS:
            if match := pattern.fullmatch(text):
                return cls(*map(float, match.groups()))
        raise ValueError(text)


@dataclass(frozen=True)
class LiveTime:
    """A webinar's live time, without pauses, up to the stop; and when a web process was recording presence.

    `clock_moved`: the clock was set meanwhile, so the times cannot be trusted.
    """

    spans: Sequence[Span]
    recorded: Sequence[Span]
    clock_moved: bool = False

    @cached_property
    def unrecorded(self) -> Sequence[Span]:
        """The live time that no process recorded."""
        return without(self.spans, self.recorded)

    def unrecorded_seconds(self, spans: Sequence[Span]) -> float:
        """Return how many seconds of `spans` no process recorded."""
        return total_s(spans) - total_s(clip(spans, self.recorded))


@dataclass(frozen=True)
class WatchingRecord:
    """When one person first opened the broadcast (None: never), and when a process saw them watch."""

    opened_at: datetime | None = None
    seen: Sequence[PresenceSpan] = ()


@dataclass(frozen=True)
class Watching:
    """What is known of one person's watching, as sorted spans of live time after they first opened the broadcast.

    `unseen`: no process recorded, or the one that held the person died or hung, and they were not seen again yet.
    """

    opened_at: datetime | None = None
    watched: Sequence[Span] = ()
    unseen: Sequence[Span] = ()

    @property
    def watched_s(self) -> float:
        return total_s(self.watched)


@dataclass(frozen=True)
class Evidence:
    """What is known of one person, as sorted spans of live time.

    `unseen`: the process that held the person died or hung, and they were not seen again yet. `watching` is None if
    it was not recorded.
    """

    present: Sequence[Span]
    unseen: Sequence[Span] = ()
    watching: Watching | None = None


@dataclass(frozen=True)
class VerdictResult:
    """The verdict on one person; `attended` is None if it is unknown, and `why_unknown` gives the reason."""

    attended: bool | None
    reason: Reason
    evidence: Evidence
    why_unknown: str = ""

    @property
    def intervals(self) -> Sequence[Span]:
        return self.evidence.present

    @property
    def present_s(self) -> float:
        return total_s(self.evidence.present)

    @property
    def watched_s(self) -> float | None:
        return self.evidence.watching.watched_s if self.evidence.watching else None


def first_live_moment(seen: Sequence[PresenceSpan], live: Sequence[Span]) -> datetime | None:
    """Return when the person entered: the first moment of presence in live time, or None."""
    present = _present(seen, live)
    return present[0][0] if present else None


def evidence_of(
    seen: Sequence[PresenceSpan], live_time: LiveTime, watching: WatchingRecord | None = None
) -> Evidence:
    """Return what is recorded of one person in live time; `watching` is None if it was not recorded."""
    live = live_time.spans
    present, unseen = _present(seen, live), unseen_spans(seen, live)
    if watching is None:
        return Evidence(present, unseen)
    opened_at = watching.opened_at
    if opened_at is None:
        return Evidence(present, unseen, Watching())
    return Evidence(
        present,
        unseen,
        Watching(
            opened_at,
            watched=after(_present(watching.seen, live), opened_at),
            unseen=after([*live_time.unrecorded, *unseen], opened_at),
        ),
    )


def _present(seen: Sequence[PresenceSpan], live: Sequence[Span]) -> list[Span]:
    return clip(((each.start, each.end) for each in seen), live)


def unseen_spans(seen: Sequence[PresenceSpan], live: Sequence[Span]) -> list[Span]:
    """Return the live time from each loss of the person until they were next seen, or until the stop.

    A person who comes to another process has left the lost one: browsers reconnect. A process that hung and came back
    saw by itself who was still connected, so a later `resumed` span ends the doubt instead. A span that began before
    the loss does not show whether the lost connection went on.
    """
    unseen = []
    for lost in seen:
        later = [each for each in seen if each.start > lost.end] if lost.lost else []
        resumed = [each.start for each in later if each.resumed]
        next_seen = min((each.start for each in later), default=None)
        if lost.lost and live:
            unseen.append((lost.end, max([*resumed, next_seen]) if next_seen else live[-1][1]))
    return clip(unseen, live)


def judge(evidence: Evidence, live_time: LiveTime, rule: Rule) -> VerdictResult:
    """Return the verdict on somebody who entered, held a seat or was lost, by the contract's table.

    Attended: less live time than the grace period passed between the last presence and the stop, and by the second rule
    the least share of the live time was watched. Unknown: what was not seen could have changed the attendance or the
    reason.
    """
    live, present, unseen = live_time.spans, evidence.present, evidence.unseen
    final = last_s(live, rule.grace_s)
    if live_time.clock_moved:
        why_unknown = UnknownReason.CLOCK_MOVED
    elif present and end_gap_s(present, live) < rule.grace_s:
        return _judge_watching(evidence, live, rule)
    elif final and live_time.unrecorded_seconds(final) > MAX_UNRECORDED_SHARE * total_s(final):
        why_unknown = UnknownReason.END_NOT_RECORDED
    elif unseen and (not present or end_gap_s(unseen, live) < rule.grace_s):
        why_unknown = UnknownReason.PROCESS_DIED
    elif not present and live_time.unrecorded_seconds(live) > rule.grace_s:
        why_unknown = UnknownReason.LIVE_TIME_NOT_RECORDED
    else:
        return VerdictResult(False, "left_early" if present else "no_show", evidence)
    return VerdictResult(None, "unknown", evidence, why_unknown)


def _judge_watching(evidence: Evidence, live: Sequence[Span], rule: Rule) -> VerdictResult:
    """Return the verdict on somebody who was there to the end, by what they watched."""
    if not rule.min_watched:
        return VerdictResult(True, "stayed_to_end", evidence)
    watching = evidence.watching
    if watching is None:
        raise ValueError("the rule asks for watching, and none was recorded")
    least_s = total_s(live) * rule.min_watched / 100
    if watching.watched_s >= least_s:
        return VerdictResult(True, "stayed_to_end", evidence)
    if watching.opened_at is None:
        return VerdictResult(False, "not_watched", evidence)
    if total_s([*watching.watched, *watching.unseen]) >= least_s:
        return VerdictResult(None, "unknown", evidence, UnknownReason.WATCHING_NOT_RECORDED)
    return VerdictResult(False, "watched_too_little", evidence)


def end_gap_s(spans: Sequence[Span], live: Sequence[Span]) -> float:
    """Return the seconds of live time between the end of the last span and the stop."""
    return total_s(after(live, spans[-1][1]))
