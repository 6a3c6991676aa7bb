"""Rows of segments, for tests that need no picture."""

from __future__ import annotations

from typing import Any

from efir.broadcast.models import Container, Segment


def add_segment(container: Container, number: int, **fields: Any) -> Segment:
    """Store a segment of a second; `fields` replace what it has otherwise. `starts_at` is always needed."""
    session = container.session
    defaults = {
        "name": f"{session.webinar_id}/{'s' * 20}{number}.m4s",
        "init": f"{session.webinar_id}/{'i' * 20}.m4s",
        "size": 1,
        "duration_s": 1.0,
        "media_start": float(number),
        "frames": 30,
    }
    row = {"webinar_id": session.webinar_id, "session": session, "container": container, "number": number}
    return Segment.objects.create(**row | defaults | fields)
