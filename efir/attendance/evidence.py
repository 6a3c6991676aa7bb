"""Reads the evidence that the rules and the reports need: the ledger, recorded presence, and participations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Exists

from efir.accounts.models import Person
from efir.accounts.role_history import leads_at
from efir.attendance.intervals import Span, as_pairs, clip, union, without
from efir.attendance.models import Classification, Participation, Verdict
from efir.attendance.rules import LiveTime, Rule, VerdictResult, evaluate, unseen_spans
from efir.room.models import PresenceInterval
from efir.room.presence_store import (
    clock_went_back,
    heartbeats,
    recorded_spans,
    recorded_until,
    spans_by_person,
)
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import LedgerEntry, Webinar

# While on air the last seconds have not been written yet: that does not mean that nothing was recorded.
WRITE_DELAY = timedelta(seconds=60)


def current_rule() -> Rule:
    """Return the rule with the parameters of this installation."""
    return Rule(settings.EFIR.grace_s, settings.EFIR.settle_s)


def spans_while(
    ledger: Sequence[LedgerEntry], until: datetime, holds: Callable[[LedgerEntry], bool]
) -> list[Span]:
    """Return when a condition held by the ledger: from each entry that meets it to the next entry, or to `until`."""
    ends = [entry.at for entry in ledger[1:]] + [until]
    return union((entry.at, end) for entry, end in zip(ledger, ends, strict=False) if holds(entry))


def live_spans(ledger: Sequence[LedgerEntry], until: datetime) -> list[Span]:
    """Return the live time by the ledger; if the webinar is still live, up to `until`."""
    return spans_while(ledger, until, lambda entry: entry.to_status == Status.LIVE)


def live_time_of(webinar: Webinar, until: datetime, as_of: Mapping[UUID, datetime] | None = None) -> LiveTime:
    """Return the webinar's live time up to `until`, and when it was recorded; `as_of` as in `spans_by_person`."""
    ledger = list(webinar.ledger.all())
    live = live_spans(ledger, until)
    clock_moved = any(later.at < earlier.at for earlier, later in pairwise(ledger))
    if not live:
        return LiveTime([], [], clock_moved)
    start, end = live[0][0], live[-1][1]
    recorded = union(recorded_spans(start, end, as_of))
    return LiveTime(live, recorded, clock_moved or clock_went_back(start, end, as_of))


def judged_live_time(webinar: Webinar) -> LiveTime:
    """Return the live time of a finished webinar as its verdicts were given by: without evidence that came later."""
    assert webinar.finished_at is not None  # noqa: S101  # a finished webinar has its moment
    classification = Classification.objects.filter(webinar=webinar).first()
    return live_time_of(webinar, webinar.finished_at, classification.as_of if classification else None)


def late_results(webinar: Webinar, verdicts: Sequence[Verdict]) -> dict[int, VerdictResult]:
    """Return what all evidence of today says, by lead id, where evidence that came after these verdicts changes it.

    A process that could not reach the database writes what it saw when it is back.
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
    spans = spans_by_person(webinar.pk, [verdict.lead_id for verdict in verdicts])
    found = {}
    for verdict in verdicts:
        try:
            result = evaluate(spans.get(verdict.lead_id, []), today, Rule.parse(verdict.rule))
        except ValueError:  # a rule of a later version
            continue
        if as_pairs(result.intervals) != verdict.intervals or result.why_unknown != verdict.unknown_reason:
            found[verdict.lead_id] = result
    return found


def unseen_leads(webinar: Webinar, as_of: Mapping[UUID, datetime] | None = None) -> list[int]:
    """Return the leads who did not enter as far as was seen, but were held by a process that died or hung meanwhile.

    They may have entered, so they get a verdict, with or without a seat. Whether somebody is a lead is settled at the
    stop, and nobody is returned before it. `as_of` as in `spans_by_person`.
    """
    live = live_spans(list(webinar.ledger.all()), webinar.finished_at) if webinar.finished_at else []
    if not live or not webinar.finished_at:
        return []
    entered = Participation.objects.filter(webinar=webinar).values("person_id")
    in_room = PresenceInterval.objects.filter(webinar=webinar, began_at__lt=live[-1][1])
    if as_of is None:
        in_room = in_room.filter(ended_at=None, recorder__pulsed_at__lt=live[-1][1])
    else:
        in_room = in_room.filter(recorder__in=[key for key, at in as_of.items() if at < live[-1][1]])
    ids = in_room.exclude(person_id__in=entered).values_list("person_id", flat=True).distinct()
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
    live_time = live_time_of(webinar, end)
    if not live_time.spans:
        return None
    ledger = list(webinar.ledger.all())
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
    """One person's part in a webinar. `gets_recording`: judged as not attended, so the recording will be sent."""

    was_there: bool = False
    gets_recording: bool = False


def attendance_status(webinar_id: int, person_id: int) -> AttendanceStatus:
    """Return whether the person was in the room at a live moment, and whether the recording is due; one query."""
    there = Participation.objects.filter(webinar_id=webinar_id, person_id=person_id)
    missed = Verdict.objects.filter(webinar_id=webinar_id, lead_id=person_id, attended=False)
    row = Person.objects.filter(pk=person_id).values_list(Exists(there), Exists(missed)).first()
    return AttendanceStatus(*row) if row else AttendanceStatus()
