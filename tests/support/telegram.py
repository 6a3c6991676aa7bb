"""What the tests of the outbox, the dispatcher and the messages share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from efir.accounts.models import Person
from efir.attendance.models import Verdict
from efir.hooks.bus import emit
from efir.hooks.events import ClientWebinarAttendanceClassified
from efir.lib import clock
from efir.telegram.bot import lease
from efir.telegram.models import OutboxMessage, TelegramChat
from efir.webinars.models import Webinar

TOKEN = "42:AAfor-the-tests_only"


def with_bot(settings: Any, **fields: Any) -> None:
    """The installation has a bot."""
    settings.EFIR = replace(settings.EFIR, telegram_token=TOKEN, **fields)


def held() -> UUID:
    """The lease, taken by a new holder."""
    holder = uuid4()
    assert lease.acquire(holder)
    return holder


def linked(person: Person, *, reachable: bool = True) -> TelegramChat:
    """The person's chat; its id tells it from the person's."""
    return TelegramChat.objects.create(
        person=person, chat_id=7000 + person.pk, linked_at=clock.now(), reachable=reachable
    )


def classified(webinar: Webinar, leads: list[Person], reason: str, present_s: float = 0.0) -> None:
    """The verdict on these leads, as the classifier hands it over."""
    attended = reason == "stayed_to_end"
    verdicts = Verdict.objects.bulk_create(
        [
            Verdict(
                webinar=webinar,
                lead=lead,
                attended=attended,
                reason=reason,
                rule="a rule",
                intervals=[],
                present_s=present_s,
                classified_at=clock.now(),
            )
            for lead in leads
        ]
    )
    emit(
        [
            ClientWebinarAttendanceClassified(
                lead_id=each.lead_id,
                webinar_id=webinar.pk,
                attended=attended,
                timestamp=each.classified_at,
                reason=each.reason,
                rule=each.rule,
            )
            for each in verdicts
        ]
    )


def states_of(person: Person) -> dict[str, str]:
    """What the person is to receive: kind → state."""
    return {row.kind: row.state for row in OutboxMessage.objects.filter(person=person).order_by("pk")}
