"""Reads the evidence that the rules and the reports need: the ledger, recorded presence, and participations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from django.conf import settings
from django.db.models import Exists

from efir.accounts.models import Person
from efir.attendance.intervals import Span, union
from efir.attendance.models import Participation, Verdict
from efir.attendance.rules import LiveTime, Rule
from efir.room.presence_store import clock_went_back, recorded_spans
from efir.webinars.lifecycle import Status
from efir.webinars.models import LedgerEntry, Webinar


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


def live_time_of(webinar: Webinar, until: datetime) -> LiveTime:
    """Return the webinar's live time up to `until`, and when it was recorded."""
    ledger = list(webinar.ledger.all())
    live = live_spans(ledger, until)
    clock_moved = any(later.at < earlier.at for earlier, later in pairwise(ledger))
    if not live:
        return LiveTime([], [], clock_moved)
    start, end = live[0][0], live[-1][1]
    return LiveTime(live, union(recorded_spans(start, end)), clock_moved or clock_went_back(start, end))


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
