"""Routing: each verdict sends its lead one of two ways."""

from __future__ import annotations

from collections.abc import Sequence

from efir.hooks.bus import emit, listen
from efir.hooks.events import ClientWebinarAttendanceClassified, PostWebinarRoute
from efir.lib import clock


@listen(ClientWebinarAttendanceClassified)
def route(events: Sequence[ClientWebinarAttendanceClassified]) -> None:
    """Say where each classified lead goes."""
    now = clock.now()
    emit(
        [
            PostWebinarRoute(
                lead_id=event.lead_id,
                webinar_id=event.webinar_id,
                attended=event.attended,
                route="attended" if event.attended else "not_attended",
                timestamp=now,
            )
            for event in events
        ]
    )
