"""Reads the evidence that the rules and the reports need: the ledger, recorded presence, and participations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Exists

from efir.accounts.models import Person
from efir.accounts.role_history import leads_at
from efir.attendance.intervals import Span, after, as_pairs, clip, union, without
from efir.attendance.models import Classification, Participation, UnknownReason, Verdict
from efir.attendance.rules import (
    Evidence,
    LiveTime,
    Rule,
    VerdictResult,
    Watching,
    WatchingRecord,
    evidence_of,
    judge,
    unseen_spans,
)
from efir.lib import clock
from efir.room.models import PresenceInterval, WatchingInterval
from efir.room.presence_store import (
    clock_was_set,
    heartbeats,
    is_watching_recorded,
    openings_by_person,
    recorded_spans,
    recorded_until,
    spans_by_person,
)
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import LedgerEntry, Seat, Webinar

# While on air the last seconds have not been written yet: that does not mean that nothing was recorded.
WRITE_DELAY = timedelta(seconds=60)


def rule_for(webinar: Webinar, *, watching: bool) -> Rule:
    """Return the rule of a webinar: by the parameters fixed at its start, and before it by those of this installation.

    A webinar that release 0.1 started, or in which a process took part that cannot record watching, is judged by the
    first rule. `watching`: `is_watching_known`; the times of the rule do not depend on it.
    """
    if webinar.started_at is None:
        return Rule(settings.EFIR.grace_s, settings.EFIR.settle_s, settings.EFIR.min_watched)
    if webinar.grace_s is None or webinar.settle_s is None:
        return Rule(settings.EFIR.grace_s, settings.EFIR.settle_s)
    min_watched = webinar.min_watched if watching else None
    # With the values as the verdict will store them, so that recomputing uses exactly the same values.
    return Rule.parse(str(Rule(webinar.grace_s, webinar.settle_s, min_watched or 0)))


def is_watching_known(webinar: Webinar, as_of: Iterable[UUID] | None = None) -> bool:
    """Return whether watching was recorded from the start to the stop, or until now.

    `as_of`: the recorders that were known when the classification began.
    """
    if webinar.started_at is None:
        return False
    return is_watching_recorded(webinar.started_at, webinar.finished_at or clock.now(), as_of)


def evidence_by_person(
    webinar: Webinar,
    person_ids: Sequence[int],
    live_time: LiveTime,
    *,
    watching: bool,
    as_of: Mapping[UUID, datetime] | None = None,
) -> dict[int, Evidence]:
    """Return the recorded evidence on these people by id; `watching`: whether it was recorded, too.

    `as_of` as in `spans_by_person`.
    """
    present = spans_by_person(webinar.pk, person_ids, as_of)
    if not watching:
        return {each: evidence_of(present.get(each, []), live_time) for each in person_ids}
    watched = spans_by_person(webinar.pk, person_ids, as_of, WatchingInterval)
    opened_at = openings_by_person(webinar.pk, person_ids)
    return {
        each: evidence_of(
            present.get(each, []),
            live_time,
            WatchingRecord(opened_at.get(each), watched.get(each, [])),
        )
        for each in person_ids
    }


def stored_form(evidence: Evidence) -> dict[str, Any]:
    """Return the evidence as fields of a verdict."""
    watching = evidence.watching
    return {
        "intervals": as_pairs(evidence.present),
        "unseen": as_pairs(evidence.unseen),
        "opened_at": watching.opened_at if watching else None,
        "watched": as_pairs(watching.watched) if watching else None,
        "watching_unseen": as_pairs(watching.unseen) if watching else None,
    }


def evidence_in(verdict: Verdict, live_time: LiveTime) -> Evidence:
    """Return the evidence that is stored with a verdict. Release 0.1 stored only the presence."""
    present, unseen, watched = verdict.spans, verdict.unseen_spans, verdict.watched_spans
    if unseen is None:
        lost = verdict.why_unknown == UnknownReason.PROCESS_DIED
        unseen = after(live_time.spans, present[-1][1]) if lost and present else []
    if watched is None:
        return Evidence(present, unseen)
    return Evidence(present, unseen, Watching(verdict.opened_at, watched, verdict.watching_unseen_spans))


def spans_while(
    ledger: Sequence[LedgerEntry], until: datetime, holds: Callable[[LedgerEntry], bool]
) -> list[Span]:
    """Return when a condition held by the ledger: from each entry that meets it to the next entry, or to `until`."""
    ends = [entry.at for entry in ledger[1:]] + [until]
    return union((entry.at, end) for entry, end in zip(ledger, ends, strict=False) if holds(entry))


def live_spans(ledger: Sequence[LedgerEntry], until: datetime) -> list[Span]:
    """Return the live time by the ledger; if the webinar is still live, up to `until`."""
    return spans_while(ledger, until, lambda entry: entry.to_status == Status.LIVE)


def live_time_of(
    webinar: Webinar,
    until: datetime,
    as_of: Mapping[UUID, datetime] | None = None,
    ledger: Sequence[LedgerEntry] | None = None,
) -> LiveTime:
    """Return the webinar's live time up to `until`, and when it was recorded; `as_of` as in `spans_by_person`.

    `ledger`: the webinar's, if the caller has it.
    """
    ledger = list(webinar.ledger.all()) if ledger is None else ledger
    live = live_spans(ledger, until)
    clock_moved = any(later.at < earlier.at for earlier, later in pairwise(ledger))
    if not live:
        return LiveTime([], [], clock_moved)
    start, end = live[0][0], live[-1][1]
    recorded = union(recorded_spans(start, end, as_of))
    return LiveTime(live, recorded, clock_moved or clock_was_set(start, end, as_of))


def judged_live_time(webinar: Webinar) -> LiveTime:
    """Return the live time of a finished webinar as its verdicts were given by: without evidence that came later."""
    assert webinar.finished_at is not None  # noqa: S101  # a finished webinar has its moment
    classification = Classification.objects.filter(webinar=webinar).first()
    return live_time_of(webinar, webinar.finished_at, classification.as_of if classification else None)


def late_results(webinar: Webinar, verdicts: Sequence[Verdict]) -> dict[int, VerdictResult]:
    """Return the results by today's evidence, by lead id, for the verdicts that later evidence would change.

    A process that could not reach the database writes its records when the database is back.
    """
    classification = Classification.objects.filter(webinar=webinar, evidence_pruned_at=None).first()
    if not verdicts or classification is None or not classification.as_of or not webinar.finished_at:
        return {}
    end = webinar.finished_at
    today = live_time_of(webinar, end)
    known = {key: min(at, end) for key, at in classification.as_of.items()}
    now_known = heartbeats(webinar.pk, today.spans[0][0], end) if today.spans else {}
    if {key: min(at, end) for key, at in now_known.items()} == known:
        return {}
    evidence = evidence_by_person(
        webinar,
        [verdict.lead_id for verdict in verdicts],
        today,
        watching=any(verdict.watched is not None for verdict in verdicts),
    )
    found = {}
    for verdict in verdicts:
        try:
            result = judge(evidence[verdict.lead_id], today, Rule.parse(verdict.rule))
        except ValueError:  # a rule of a later version
            continue
        today_is = stored_form(result.evidence)
        if result.why_unknown != verdict.unknown_reason or any(
            today_is[name] != getattr(verdict, name) for name in ("intervals", "watched")
        ):
            found[verdict.lead_id] = result
    return found


def unseen_leads(webinar: Webinar, as_of: Mapping[UUID, datetime] | None = None) -> list[int]:
    """Return the leads who were not seen to enter, but may have.

    A process that held them died or hung, or they were in the room and the clock was set back. They get a verdict, with
    or without a seat. Whether somebody is a lead is settled at the stop, and nobody is returned before it. `as_of` as
    in `spans_by_person`.
    """
    if not webinar.finished_at:
        return []
    live_time = live_time_of(webinar, webinar.finished_at, as_of)
    entered = Participation.objects.filter(webinar=webinar).values("person_id")
    in_room = PresenceInterval.objects.filter(webinar=webinar).exclude(person_id__in=entered)
    if live_time.clock_moved:
        ids = in_room.values_list("person_id", flat=True).distinct()
        return sorted(leads_at(dict.fromkeys(ids, webinar.finished_at)))
    if not (live := live_time.spans):
        return []
    in_room = in_room.filter(began_at__lt=live[-1][1])
    if as_of is None:
        in_room = in_room.filter(ended_at=None, recorder__pulsed_at__lt=live[-1][1])
    else:
        in_room = in_room.filter(recorder__in=[key for key, at in as_of.items() if at < live[-1][1]])
    ids = in_room.values_list("person_id", flat=True).distinct()
    spans = spans_by_person(webinar.pk, ids, as_of) if ids else {}
    unseen = [person_id for person_id, seen in spans.items() if unseen_spans(seen, live)]
    return sorted(leads_at(dict.fromkeys(unseen, webinar.finished_at)))


@dataclass(frozen=True)
class BroadcastTimeline:
    """The whole length of a broadcast and what happened when; every span lies between `start` and `end`."""

    start: datetime
    end: datetime
    on_air: bool
    live: Sequence[Span]
    paused: Sequence[Span]
    cta: Sequence[Span]
    not_recorded: Sequence[Span]
    zone: ZoneInfo

    def share(self, moment: datetime) -> float:
        """Return where the moment lies between the start (0) and the end (1)."""
        length = (self.end - self.start) / timedelta(seconds=1) or 1.0
        return min(max((moment - self.start) / timedelta(seconds=1) / length, 0.0), 1.0)

    def format_time(self, moment: datetime) -> str:
        """Format a moment by the webinar's clock: «19:05»."""
        return f"{moment.astimezone(self.zone):%H:%M}"

    def format_span(self, span: Span) -> str:
        """Format a span by the webinar's clock: «19:05–19:40»."""
        return "–".join(map(self.format_time, span))


def timeline_of(webinar: Webinar) -> BroadcastTimeline | None:
    """Return the broadcast's timeline, on air as far as presence has been written; None if it has not begun."""
    end = webinar.finished_at or recorded_until()
    ledger = list(webinar.ledger.all())
    live_time = live_time_of(webinar, end, ledger=ledger)
    if not live_time.spans:
        return None
    start = live_time.spans[0][0]
    written_until = end - WRITE_DELAY if webinar.is_on_air else end
    return BroadcastTimeline(
        start=start,
        end=end,
        on_air=webinar.is_on_air,
        live=live_time.spans,
        paused=spans_while(ledger, end, lambda entry: entry.to_status == Status.PAUSED),
        cta=spans_while(ledger, end, lambda entry: entry.cta_visible and entry.to_status in ON_AIR),
        not_recorded=clip(without(live_time.spans, live_time.recorded), [(start, written_until)]),
        zone=webinar.zone,
    )


class AttendanceStatus(NamedTuple):
    """One person's part in a webinar.

    `gets_recording`: judged as not attended, so the recording will be sent. `was_judged`: there is a verdict, also of
    somebody without a seat whose entry was not recorded, because the process that held them died.
    """

    was_there: bool = False
    gets_recording: bool = False
    had_seat: bool = False
    was_judged: bool = False

    @property
    def may_watch_recording(self) -> bool:
        """Whether the person finds the recording in the room and in their account."""
        return self.was_there or self.had_seat or self.was_judged


def attendance_status(webinar_id: int, person_id: int) -> AttendanceStatus:
    """Return the person's part; one query."""
    there = Participation.objects.filter(webinar_id=webinar_id, person_id=person_id)
    judged = Verdict.objects.filter(webinar_id=webinar_id, lead_id=person_id)
    seat = Seat.objects.filter(webinar_id=webinar_id, person_id=person_id)
    facts = (Exists(there), Exists(judged.filter(attended=False)), Exists(seat), Exists(judged))
    row = Person.objects.filter(pk=person_id).values_list(*facts).first()
    return AttendanceStatus(*row) if row else AttendanceStatus()
