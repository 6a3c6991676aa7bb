"""Read messages as one person sees them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.talk.encoding import as_json, audience_of
from efir.talk.models import Kind, Message, State
from efir.webinars.models import Talk, Webinar

# The interface: messages in one answer, and those that a reader who comes or comes back gets.
PAGE_SIZE = 100
# The number of messages that a page shows before its script has run, or without it.
SHOWN_AT_FIRST = 30
# The modes in which people write in the room itself.
TALKS = (Talk.QUESTIONS, Talk.CHAT)
# The questions that are to be answered: neither hidden, erased nor a muted person's.
ASKED = Q(kind=Kind.QUESTION, muted=False) & ~Q(state=State.HIDDEN) & ~Q(text="")
UNANSWERED = ASKED & Q(answered_at=None)


def visible_messages(webinar: Webinar, person: Person) -> QuerySet[Message]:
    """Return the messages that this person may see, with their authors, oldest first."""
    messages = Message.objects.filter(webinar=webinar).select_related("person").order_by("number")
    if webinar.talk not in TALKS:
        return messages.none()
    if can(person, Capability.MODERATE_TALK):
        return messages
    return messages.filter(Q(person=person) | Q(shown_at__isnull=False))


def page_of_messages(webinar: Webinar, person: Person, after: int | None = None) -> list[dict[str, Any]]:
    """Return up to 100 messages, oldest first: those that follow the id `after`, or the latest."""
    messages = visible_messages(webinar, person)
    if after is None:
        page = list(messages.reverse()[:PAGE_SIZE])[::-1]
    else:
        page = list(messages.filter(number__gt=after)[:PAGE_SIZE])
    moderates = can(person, Capability.MODERATE_TALK)
    seen = (as_json(message, audience_of(message, person.pk, moderates=moderates)) for message in page)
    return [data for data in seen if data is not None]


def pinned_message(webinar: Webinar) -> Message | None:
    """Return the message that is pinned, which may be older than those that a viewer who comes gets."""
    return Message.objects.filter(webinar=webinar, pinned=True).select_related("person").first()


def last_messages(webinar: Webinar, person: Person | None) -> list[Message]:
    """Return the last messages that everybody sees, and the own ones of `person`; oldest first, with their authors."""
    public = Q(state=State.SHOWN, muted=False, private=False)
    own = Q(person=person) & ~Q(state=State.HIDDEN)
    messages = Message.objects.filter(public | own if person else public, webinar=webinar)
    messages = messages.select_related("person")
    return list(messages.order_by("-number")[:SHOWN_AT_FIRST])[::-1]
