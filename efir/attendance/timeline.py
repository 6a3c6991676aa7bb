"""A webinar's evening from its start to its stop: when it was live, paused, with the call-to-action, unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from efir.attendance.evidence import evening_of
from efir.attendance.intervals import Span, clip, union, without
from efir.lib import clock
from efir.room.presence_store import recorded_until
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import LedgerEntry, Webinar

# While on air the latest seconds are not written yet: that is not blindness.
NOT_WRITTEN_YET = timedelta(seconds=60)


@dataclass(frozen=True)
class Timeline:
    """The real length of a webinar and what happened when; everything lies between `start` and `end`."""

    start: datetime
    end: datetime
    on_air: bool
    live: Sequence[Span]
    paused: Sequence[Span]
    cta: Sequence[Span]
    blind: Sequence[Span]
    zone: ZoneInfo

    def share(self, moment: datetime) -> float:
        """Where the moment lies between the start (0) and the end (1)."""
        length = (self.end - self.start) / timedelta(seconds=1) or 1.0
        return min(max((moment - self.start) / timedelta(seconds=1) / length, 0.0), 1.0)

    def hours(self, moment: datetime) -> str:
        """«19:05» by the webinar's clock."""
        return f"{moment.astimezone(self.zone):%H:%M}"

    def words(self, span: Span) -> str:
        """«19:05–19:40»."""
        return "–".join(map(self.hours, span))


def timeline_of(webinar: Webinar) -> Timeline | None:
    """The evening so far; None where it has not begun."""
    ledger = list(webinar.ledger.all())
    end = webinar.finished_at or _told(webinar)
    evening = evening_of(webinar, end)
    if not evening.live:
        return None
    start = evening.live[0][0]
    seen_to = end - NOT_WRITTEN_YET if webinar.is_on_air else end
    return Timeline(
        start=start,
        end=end,
        on_air=webinar.is_on_air,
        live=evening.live,
        paused=spans_while(ledger, end, lambda entry: entry.to_status == Status.PAUSED),
        cta=spans_while(ledger, end, lambda entry: entry.cta_visible and entry.to_status in ON_AIR),
        blind=clip(without(evening.live, evening.covered), [(start, seen_to)]),
        zone=webinar.zone,
    )


def _told(webinar: Webinar) -> datetime:
    """Up to when every web process that lives has told what it saw."""
    now = clock.now()
    return recorded_until(now, timedelta(seconds=settings.EFIR.grace_s))


def spans_while(
    ledger: Sequence[LedgerEntry], until: datetime, holds: Callable[[LedgerEntry], bool]
) -> list[Span]:
    """When something held by the ledger: from each entry for which it does to the next one, or to `until`."""
    ends = [*(entry.at for entry in ledger[1:]), until]
    return (
        union((entry.at, end) for entry, end in zip(ledger, ends, strict=True) if holds(entry))
        if ledger
        else []
    )
