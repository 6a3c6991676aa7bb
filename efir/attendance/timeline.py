"""The timeline of a broadcast for reports: when it was live, paused, with the call-to-action, and not recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from efir.attendance.evidence import live_time_of, spans_while
from efir.attendance.intervals import Span, clip, without
from efir.lib import clock
from efir.room.presence_store import recorded_until
from efir.webinars.lifecycle import ON_AIR, Status
from efir.webinars.models import Webinar

# While on air the last seconds have not been written yet: that does not mean that nothing was recorded.
WRITE_DELAY = timedelta(seconds=60)


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
    """Return the broadcast's timeline up to now; None if it has not begun."""
    # While on air it ends where every running process has written its presence.
    now, grace = clock.now(), timedelta(seconds=settings.EFIR.grace_s)
    end = webinar.finished_at or recorded_until(now, grace)
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
