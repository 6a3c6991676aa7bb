"""Derives the allowed verdicts from what the clients know. It shares no code with the product's rules.

A slow machine widens the set of allowed verdicts, by what the clients measured, and never makes a right one wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.oracle.evidence import NEVER, Blindness, Evidence, Served, Story, Stream

Span: TypeAlias = tuple[float, float]

STAYED, LEFT, NO_SHOW, HELD, NONE = "stayed_to_end", "left_early", "no_show", "unknown", "none"
TOO_LITTLE, NOT_WATCHED = "watched_too_little", "not_watched"
NOT_TO_THE_END = (LEFT, NO_SHOW, NONE)

# A longer silence than 10 s is a gap in a process's record (docs/decisions/0003): surely not below the first, surely
# above the second. The process looks at its clock every second.
SURELY_SEEN_S, SURELY_BLIND_S = 8.0, 11.5
TICK_S = 1.5
# Of the final grace period: so much unrecorded may be a reason to hold a verdict, and so much must be.
MAY_HOLD_SHARE, MUST_HOLD_SHARE = 0.3, 0.75


@dataclass
class Allowed:
    """The verdicts that are right, each with the reason, and the least and the most seconds of presence."""

    reasons: dict[str, str] = field(default_factory=dict)
    present_s: Span = (0.0, NEVER)
    watched_s: Span = (0.0, NEVER)

    def add(self, reason: str, why: str) -> None:
        self.reasons.setdefault(reason, why)

    def forbid(self, reasons: Iterable[str], why: str) -> None:
        """Allow only to hold the verdict instead of these reasons."""
        for reason in [reason for reason in reasons if self.reasons.pop(reason, None)]:
            self.add(HELD, f"{why} (instead of {reason})")


def union(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def common(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    theirs = union(others)
    return union((max(a, c), min(b, d)) for a, b in union(some) for c, d in theirs)


def minus(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    left = union(some)
    for low, high in union(others):
        left = union(part for a, b in left for part in ((a, min(b, low)), (max(a, high), b)))
    return left


def total(spans: Iterable[Span]) -> float:
    return sum(end - start for start, end in union(spans))


def after(spans: Iterable[Span], moment: float) -> float:
    return total(common(spans, [(moment, NEVER)]))


def last(spans: Iterable[Span], seconds: float) -> list[Span]:
    tail: list[Span] = []
    for start, end in reversed(union(spans)):
        if seconds > 0:
            tail.append((max(start, end - seconds), end))
            seconds -= end - start
    return union(tail)


class Judge:
    """Judges the people of one evening."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.slack = evidence.slack_s
        live = evidence.live
        self.surely_live = union((start.latest, end.earliest) for start, end in live)
        self.maybe_live = union((start.earliest, end.latest) for start, end in live)
        self.unseen = self._uncovered(sure=False)
        self.surely_unseen = self._uncovered(sure=True)

    def allowed(self, story: Story) -> Allowed:
        """Return every verdict on this person that is right."""
        allowed = Allowed()
        if not story.is_lead:
            allowed.add(NONE, "is no lead")
            return allowed
        streams = [stream for stream in story.streams if not stream.refused]
        sure = union(span for stream in streams for span in self._surely_open(stream))
        maybe = union(span for stream in streams for span in self._maybe_open(stream))
        entered = total(common(sure, self.surely_live)) > self.slack
        self._by_presence(allowed, story, sure, maybe)
        self._by_watching(allowed, story)
        self._by_lost_streams(allowed, streams)
        if self.evidence.clock_jumped and (streams or story.seat):
            allowed.add(HELD, "a clock jumped")
        self._by_uncovered_time(allowed, entered)
        seen = union(span for stream in streams for span in self._surely_seen(stream))
        allowed.present_s = self._bounds(seen, maybe)
        return allowed

    def complaint(self, story: Story, served: Served | None) -> str:
        """Return what is wrong with the server's verdict, or an empty string."""
        allowed = self.allowed(story)
        reason = served.reason if served else NONE
        if reason not in allowed.reasons:
            return f"{reason} is wrong; right: {allowed.reasons}"
        if served is None:
            return ""
        complaints = []
        if served.attended is not {STAYED: True, HELD: None}.get(reason, False):
            complaints.append(f"{reason} with attended={served.attended}")
        if served.recomputed not in (None, reason):
            complaints.append(f"{reason}, and recomputed from the stored evidence {served.recomputed}")
        for done, seconds, (low, high) in (
            ("present", served.present_s, allowed.present_s),
            ("watched", served.watched_s, allowed.watched_s),
        ):
            if seconds is not None and not self.evidence.clock_jumped and not low <= seconds <= high:
                complaints.append(f"{done} for {seconds:.2f} s; right: {low:.2f} to {high:.2f}")
        return "; ".join(complaints)

    def _by_presence(self, allowed: Allowed, story: Story, sure: list[Span], maybe: list[Span]) -> None:
        grace = self.evidence.grace_s
        surely_present, maybe_present = common(sure, self.surely_live), common(maybe, self.maybe_live)
        entered = total(surely_present) > self.slack
        if maybe_present:
            least_gap = after(self.surely_live, maybe_present[-1][1])
            # If it is not sure that they entered: once let in, a stream lasts until the client closes it.
            ends = [min(each.shut, each.ended) for each in story.streams if not each.refused]
            left_at = surely_present[-1][1] if entered else min(ends)
            most_gap = after(self.maybe_live, left_at)
            if least_gap < grace + self.slack:
                allowed.add(STAYED, f"gone for {least_gap:.2f} s of live time at the end, or more")
            if most_gap >= grace - self.slack:
                allowed.add(LEFT, f"gone for {most_gap:.2f} s of live time at the end, or less")
        if not entered:
            why = "was perhaps never there in live time" if maybe_present else "was never there in live time"
            if story.seat and story.seat.may_have_succeeded and story.seat.asked < self.evidence.stop.latest:
                allowed.add(NO_SHOW, why)
            if not story.seat or not story.seat.succeeded or self._is_late(story.seat.answered):
                allowed.add(NONE, f"{why}, and perhaps held no seat")

    def _by_watching(self, allowed: Allowed, story: Story) -> None:
        """Split `stayed_to_end` by how long the person watched."""
        share = self.evidence.min_watched / 100
        asked = [each.asked for each in story.openings if each.may_have_succeeded]
        answered = [each.answered for each in story.openings if each.succeeded]
        opened, surely_opened = min(asked, default=NEVER), min(answered, default=NEVER)
        streams = [each for each in story.streams if each.watching and not each.refused]
        # A stream that was asked for before the opening was answered may count as watching or not.
        maybe = common((span for each in streams for span in self._maybe_open(each)), [(opened, NEVER)])
        late = [each for each in streams if each.asked >= surely_opened]
        sure = union(span for each in late for span in self._surely_open(each))
        seen = union(span for each in late for span in self._surely_seen(each))
        allowed.watched_s = self._bounds(seen, maybe)
        if not share or STAYED not in allowed.reasons:
            return
        least = (total(common(sure, self.surely_live)) - self.slack) / max(total(self.maybe_live), 0.1)
        most = (total(common(maybe, self.maybe_live)) + self.slack) / max(total(self.surely_live), 0.1)
        why = allowed.reasons[STAYED]
        unseen = total(common(self._unseen_of(story), self.maybe_live)) / max(total(self.surely_live), 0.1)
        if most < share:
            del allowed.reasons[STAYED]
        if least < share and opened < NEVER:
            allowed.add(TOO_LITTLE, f"{why}; watched {least:.0%} to {most:.0%}")
        seen_share = (total(common(seen, self.surely_live)) - self.slack) / max(total(self.maybe_live), 0.1)
        if opened < NEVER and unseen and seen_share < share <= most + unseen:
            allowed.add(HELD, f"watched {seen_share:.0%} for sure, and was unseen for {unseen:.0%}")
        if surely_opened == NEVER:
            allowed.add(NOT_WATCHED, f"{why}; never opened the broadcast, by what was answered")

    def _unseen_of(self, story: Story) -> list[Span]:
        """Return when the person may have been there unseen: no process saw, or the one that held them did not."""
        lost = [
            (self._written_until(blind), NEVER)
            for stream in story.streams
            for blind in self._blind(stream.process)
            if stream.asked < blind.since.latest and stream.ended > self._written_until(blind)
        ]
        return union([*self.unseen, *lost])

    def _by_lost_streams(self, allowed: Allowed, streams: Sequence[Stream]) -> None:
        """Judge what a process held when it was killed or froze, and what nobody has seen since."""
        for stream in streams:
            for blind in self._blind(stream.process):
                if blind.kind == "stopped" or stream.asked >= blind.since.latest:
                    continue
                written, since = self._written_until(blind), blind.since
                if stream.ended <= written or not after(self.maybe_live, written):
                    continue
                if self._seen_again(streams, stream, blind, sure=True):
                    continue
                allowed.add(
                    HELD, f"process {blind.process} was {blind.kind} at {since.earliest:.1f} and held them"
                )
                again = self._seen_again(streams, stream, blind, sure=False)
                was_held = stream.accepted < written and stream.shut > since.latest
                if blind.kind == "killed" and was_held and not again:
                    if after(self.surely_live, since.latest) > self.slack:
                        allowed.forbid(NOT_TO_THE_END, "the process that held them was killed")
                elif blind.kind != "killed" and again and STAYED in allowed.reasons:
                    # Seen elsewhere since, and gone there: the server may go by that.
                    allowed.add(LEFT, "came elsewhere while the process that held them hung, and left")

    def _seen_again(self, streams: Sequence[Stream], lost: Stream, blind: Blindness, *, sure: bool) -> bool:
        """Whether the person was seen after the process went blind, with live time after it."""
        for other in streams:
            begins = other.accepted if sure else other.asked
            is_mute = other.process == lost.process and blind.kind != "killed"
            if is_mute and begins < blind.until.latest:
                if other.ended <= blind.until.latest:
                    continue
                begins = max(begins, blind.until.latest if sure else blind.until.earliest)
            elif begins <= blind.since.latest or (sure and self._was_there(streams, other, blind)):
                continue
            spans = self._surely_open(other) if sure else self._maybe_open(other)
            live = self.surely_live if sure else self.maybe_live
            margin = self.evidence.flush_s if sure else 0.0
            if any(after(live, max(start, begins)) > margin for start, end in spans if end > begins + margin):
                return True
        return False

    def _was_there(self, streams: Sequence[Stream], other: Stream, blind: Blindness) -> bool:
        """Whether the person may have been at the other process all the time: then its record shows no return."""
        there = union(
            span for each in streams if each.process == other.process for span in self._maybe_open(each)
        )
        return any(start <= blind.since.latest and other.asked <= end for start, end in there)

    def _by_uncovered_time(self, allowed: Allowed, entered: bool) -> None:
        """Hold the verdict if no process was running to record the person: that does not make a no-show."""
        grace = self.evidence.grace_s
        final = total(common(self.unseen, last(self.maybe_live, grace + self.slack)))
        surely_final = total(common(self.surely_unseen, last(self.surely_live, grace)))
        gone = [reason for reason in (LEFT, NO_SHOW) if reason in allowed.reasons]
        if gone and final > MAY_HOLD_SHARE * grace - self.slack and final > 0:
            allowed.add(HELD, f"nobody saw {final:.1f} s of the final grace period")
        if surely_final > MUST_HOLD_SHARE * grace:
            allowed.forbid(gone, "nobody saw the final grace period")
        unseen = total(common(self.unseen, self.maybe_live))
        surely_unseen = total(common(self.surely_unseen, self.surely_live))
        if NO_SHOW in allowed.reasons and unseen > grace - self.slack:
            allowed.add(HELD, f"nobody saw {unseen:.1f} s of live time")
        if not entered and surely_unseen > grace + self.slack + self.evidence.flush_s:
            allowed.forbid([NO_SHOW], "nobody saw more than a grace period of live time")

    def _surely_open(self, stream: Stream) -> list[Span]:
        """Return when the server surely held this stream, by what the client knows."""
        if stream.accepted == NEVER:
            return []
        until = min(stream.shut, stream.ended)
        for blind in self._blind(stream.process):
            is_gone = (
                blind.kind in ("killed", "stopped")
                or blind.until.latest > self.evidence.stop.earliest - TICK_S
            )
            if blind.since.latest < stream.accepted:
                continue
            if is_gone and blind.kind != "stopped" and stream.accepted >= self._written_until(blind):
                return []  # what the process saw of it may have gone with it
            if blind.kind in ("killed", "stopped"):
                until = min(until, blind.since.earliest)
        return [(stream.accepted, until)]

    def _maybe_open(self, stream: Stream) -> list[Span]:
        """Return when the server may have held this stream."""
        until = stream.ended
        for blind in self._blind(stream.process):
            # Found closed after a long silence, it ended in the silence: the client knows when.
            in_it = blind.since.earliest <= stream.shut <= blind.until.latest
            if in_it and blind.kind == "frozen" and self._is_surely_long(blind):
                until = min(until, stream.shut + self.slack)
        return [(stream.asked, until)]

    def _surely_seen(self, stream: Stream) -> list[Span]:
        """Return when the server surely recorded this stream: not while its process was blind."""
        blind = [
            (self._written_until(each) - TICK_S, each.until.latest + self.evidence.flush_s)
            for each in self._blind(stream.process)
        ]
        return minus(self._surely_open(stream), blind)

    def _blind(self, process: int) -> list[Blindness]:
        """Return the faults of this process that may have left a gap in its record."""
        return [
            each
            for each in self.evidence.blindness
            if each.process == process
            and (
                each.kind in ("killed", "stopped") or each.until.latest - each.since.earliest > SURELY_SEEN_S
            )
        ]

    def _written_until(self, blind: Blindness) -> float:
        """Return the moment before which the process has surely written what it saw."""
        since = blind.since.earliest
        for away in self.evidence.database_away:
            if away.earliest <= since <= away.latest + self.evidence.flush_s:
                since = away.earliest
        return since if blind.kind == "stopped" else since - self.evidence.flush_s

    def _uncovered(self, *, sure: bool) -> list[Span]:
        """Return when no process at all was recording."""
        uncovered: list[Span] = [(-NEVER, NEVER)]
        for process in range(self.evidence.processes):
            spans = [
                (each.since.latest, each.until.earliest)
                if sure
                else (self._written_until(each), each.until.latest + self.evidence.flush_s)
                for each in self._blind(process)
                if not sure or each.kind in ("killed", "stopped") or self._is_surely_long(each)
            ]
            uncovered = common(uncovered, spans)
        return uncovered

    def _bounds(self, seen: list[Span], maybe: list[Span]) -> Span:
        tolerance = self.slack + 0.02 * len(maybe)
        low, high = total(common(seen, self.surely_live)), total(common(maybe, self.maybe_live))
        return max(0.0, low - tolerance), high + tolerance

    def _is_late(self, moment: float) -> bool:
        return moment >= self.evidence.stop.earliest

    @staticmethod
    def _is_surely_long(blind: Blindness) -> bool:
        return blind.until.earliest - blind.since.latest > SURELY_BLIND_S
