"""Reads what the rules need from the ledger and from the recorded presence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from django.conf import settings

from efir.attendance.intervals import Span, union
from efir.attendance.rules import Evening, Rule
from efir.room.presence_store import clock_went_back, recorded_spans
from efir.webinars.lifecycle import Status
from efir.webinars.models import LedgerEntry, Webinar


def rule_in_force() -> Rule:
    """The rule with the values of this installation."""
    return Rule(settings.EFIR.grace_s, settings.EFIR.settle_s)


def live_spans(ledger: Sequence[LedgerEntry], until: datetime) -> list[Span]:
    """Live time by the ledger: from each move to live to the move away from it, or to `until` if still live."""
    spans, since = [], None
    for entry in ledger:
        if entry.to_status == Status.LIVE:
            since = since or entry.at
        elif since:
            spans.append((since, entry.at))
            since = None
    if since:
        spans.append((since, until))
    return union(spans)


def evening_of(webinar: Webinar, until: datetime) -> Evening:
    """The webinar's live time up to `until`, and when some web process was recording."""
    ledger = list(webinar.ledger.all())
    live = live_spans(ledger, until)
    if not live:
        return Evening([], [], _runs_back(ledger))
    start, end = live[0][0], live[-1][1]
    return Evening(live, union(recorded_spans(start, end)), _runs_back(ledger) or clock_went_back(start, end))


def _runs_back(ledger: Sequence[LedgerEntry]) -> bool:
    return any(later.at < earlier.at for earlier, later in pairwise(ledger))
