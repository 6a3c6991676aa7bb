"""Who was there, and who was not."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Exists

from efir.accounts.models import Person
from efir.attendance.models import Participation, Verdict


class AttendanceStatus(NamedTuple):
    """One person's part in a webinar. `gets_recording`: classified as not attended, which is whom it is sent to."""

    was_there: bool = False
    gets_recording: bool = False


def attendance_status(webinar_id: int, person_id: int) -> AttendanceStatus:
    """Whether the person was in the room at a live moment, and what came of it; one read."""
    there = Participation.objects.filter(webinar_id=webinar_id, person_id=person_id)
    missed = Verdict.objects.filter(webinar_id=webinar_id, lead_id=person_id, attended=False)
    row = Person.objects.filter(pk=person_id).values_list(Exists(there), Exists(missed)).first()
    return AttendanceStatus(*row) if row else AttendanceStatus()
