"""Questions in the rooms, for the tests that use them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from efir.accounts.models import Person
from efir.talk.models import Kind, Message, State
from efir.webinars.models import Webinar


def asked(webinar: Webinar, person: Person, text: str, **fields: Any) -> Message:
    """Store a question of the person's, as if it had been asked in the room."""
    number = Message.objects.filter(webinar=webinar).count() + 1
    return Message.objects.create(
        webinar=webinar,
        person=person,
        number=number,
        change=number,
        client_id=uuid4(),
        text=text,
        **{"kind": Kind.QUESTION, "state": State.SHOWN} | fields,
    )
