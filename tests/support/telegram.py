"""Helpers of the tests of outbox, dispatcher and messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from efir.accounts.models import Person
from efir.accounts.sessions import new_session
from efir.attendance.models import Verdict
from efir.hooks.bus import emit
from efir.hooks.events import ClientWebinarAttendanceClassified
from efir.lib import clock
from efir.telegram.bot import lease
from efir.telegram.link_tokens import make_link
from efir.telegram.models import OutboxMessage, TelegramChat
from efir.webinars.models import Webinar

TOKEN = "42:AAfor-the-tests_only"


def with_bot(settings: Any, **fields: Any) -> None:
    """Configure a bot."""
    settings.EFIR = replace(settings.EFIR, telegram_token=TOKEN, **fields)


def with_accepted_bot(settings: Any, **fields: Any) -> None:
    """Configure a bot that a dispatcher serves and whose token Telegram has accepted."""
    with_bot(settings, **fields)
    lease.acquire(held())
    lease.mark_token_accepted("efir_test_bot")


def new_payload(person: Person) -> str:
    """Make a one-time link from a session of the person's, and return what comes after `?start=`."""
    return link_from_session(person).partition("?start=")[2]


def link_from_session(person: Person) -> str:
    """Make a one-time link from a session of the person's."""
    session = new_session(person)
    session.create()
    return make_link(person, session.session_key or "")


def held() -> UUID:
    """Acquire the lease for a new holder."""
    holder = uuid4()
    assert lease.acquire(holder)
    return holder


def linked(person: Person, *, reachable: bool = True) -> TelegramChat:
    """Link the person to a chat whose id differs from the person's."""
    return TelegramChat.objects.create(
        person=person, chat_id=7000 + person.pk, linked_at=clock.now(), reachable=reachable
    )


def classified(
    webinar: Webinar, leads: list[Person], reason: str, present_s: float = 0.0, **watching: float | None
) -> None:
    """Write verdicts on these leads and emit them, as the classifier does."""
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
                **watching,
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
    """Return the state of each message to the person: kind → state."""
    return {row.kind: row.state for row in OutboxMessage.objects.filter(person=person).order_by("pk")}
