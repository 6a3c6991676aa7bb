"""Who was there."""

from __future__ import annotations

from efir.attendance.models import Participation


def was_there(webinar_id: int, person_id: int) -> bool:
    """Whether the person was in the room at a live moment."""
    return Participation.objects.filter(webinar_id=webinar_id, person_id=person_id).exists()
