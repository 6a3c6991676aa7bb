"""Personal data of this app: which broadcasts a person sent, and which stream keys they made."""

from __future__ import annotations

from collections.abc import Iterable

from efir.accounts.models import Person
from efir.accounts.personal_data import Row, section
from efir.broadcast.models import BroadcastSession, StreamKey


@section("broadcasts")
def _broadcasts(person: Person) -> Iterable[Row]:
    sessions = BroadcastSession.objects.filter(person=person).order_by("opened_at")
    return sessions.values("webinar_id", "source", "mime", "opened_at", "ended_at")


@section("stream_keys_you_made")
def _stream_keys(person: Person) -> Iterable[Row]:
    # Without the digest, which is of no use to the person.
    return StreamKey.objects.filter(issued_by=person).order_by("pk").values("webinar_id", "issued_at")
