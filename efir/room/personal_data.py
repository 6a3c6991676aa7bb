"""Personal data of this app: when a person was in which room."""

from __future__ import annotations

from collections.abc import Iterable

from efir.accounts.models import Person
from efir.accounts.personal_data import Row, section
from efir.room.models import PresenceInterval


@section("presence")
def _presence(person: Person) -> Iterable[Row]:
    rows = PresenceInterval.objects.filter(person=person).order_by("began_at", "pk")
    return rows.values("webinar_id", "began_at", "ended_at").iterator()
