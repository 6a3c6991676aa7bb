"""The state of broadcasts, for the speaker's page, the command line and the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Max, Q, Sum

from efir.broadcast.live import is_recent
from efir.broadcast.models import BroadcastSession, SessionState
from efir.lib import clock

# A sender whose last chunk is older than this is not sending: chunks come each second.
SENDING_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True)
class SessionStatus:
    """One session. `recorded_s`: the live time that its segments have, in seconds."""

    webinar_id: int
    session: UUID
    source: str
    state: str
    width: int
    height: int
    kbps: int
    last_segment_at: datetime | None
    recorded_s: float
    has_signal: bool


def session_statuses(webinar_id: int | None = None) -> Iterator[SessionStatus]:
    """Yield the sessions of a webinar, or of all, in the order in which they were opened."""
    sessions = BroadcastSession.objects.order_by("opened_at")
    if webinar_id is not None:
        sessions = sessions.filter(webinar_id=webinar_id)
    live = Q(segments__live_number__isnull=False)
    found = sessions.annotate(
        last_segment_at=Max("segments__created_at"), recorded_s=Sum("segments__duration_s", filter=live)
    )
    for session in found.iterator():
        yield SessionStatus(
            webinar_id=session.webinar_id,
            session=session.pk,
            source=session.source,
            state=session.state,
            width=session.width,
            height=session.height,
            kbps=session.kbps,
            last_segment_at=session.last_segment_at,
            recorded_s=round(session.recorded_s or 0.0, 3),
            has_signal=session.last_segment_at is not None and is_recent(session.last_segment_at, 1.0),
        )


def senders() -> dict[int, int]:
    """Return the rate in kbit/s of each broadcast whose sender sends now, by webinar id."""
    since = clock.now() - SENDING_WITHIN
    sending = BroadcastSession.objects.filter(state=SessionState.OPEN, last_chunk_at__gt=since)
    return dict(sending.values_list("webinar_id", "kbps"))
