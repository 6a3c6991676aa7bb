"""Read messages as one person sees them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.talk.encoding import as_json, audience_of
from efir.talk.models import Message
from efir.webinars.models import Talk, Webinar

# The interface: messages in one answer, and those that a reader who comes or comes back gets.
PAGE_SIZE = 100


def visible_messages(webinar: Webinar, person: Person) -> QuerySet[Message]:
    """Return the messages of which this person may learn, with their authors, oldest first."""
    messages = Message.objects.filter(webinar=webinar).select_related("person").order_by("number")
    if webinar.talk not in (Talk.QUESTIONS, Talk.CHAT):
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
