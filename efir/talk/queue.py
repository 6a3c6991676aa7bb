"""The speaker's view of a talk: questions as a queue, messages to review, and counts."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, Q, QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.accounts.models import Person
from efir.lib.filters import FilterLink, ListAddress
from efir.talk.models import Kind, Message, State, TalkRoom
from efir.talk.selectors import ASKED, TALKS, UNANSWERED
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# More than a speaker reads while on air; the exports have everything.
MOST = 50
NAME = "talk"
ANCHOR = "#talk-queue"

FILTERS: dict[str, tuple[Promise, Q]] = {
    "": (_("без ответа"), UNANSWERED),
    "inviters": (_("по пригласившим"), UNANSWERED),
    "newest": (_("все вопросы"), ASKED),
    "answered": (_("отвеченные"), Q(kind=Kind.QUESTION, answered_at__isnull=False)),
    "held": (_("ждут проверки"), Q(state=State.HELD, muted=False)),
    "messages": (_("все сообщения"), Q()),
}


@dataclass(frozen=True, slots=True)
class Queue:
    """What the page shows: messages newest first, by inviter if that is chosen, and how many there are of each kind.

    `total`: how many the chosen filter finds, of which `messages` are at most 50. `change`: the last change that it
    includes, by which a page learns that it has everything. `is_open`: messages can still be moderated.
    """

    messages: list[Message]
    total: int
    by_inviter: bool
    choices: list[FilterLink]
    asked: int
    answered: int
    writers: int
    muted: list[Person]
    change: int
    show: str
    is_open: bool


def has_queue(webinar: Webinar) -> bool:
    """Return whether there is a queue to show: a talk, or messages from before it was switched off."""
    talks = webinar.talk in TALKS and webinar.state is not Status.DRAFT
    return talks or Message.objects.filter(webinar=webinar).exists()


def last_change(webinar: Webinar) -> int:
    """Return the number of the talk's last change; 0 if nothing was written."""
    return TalkRoom.objects.filter(pk=webinar.pk).values_list("last_change", flat=True).first() or 0


def queue_of(webinar: Webinar, query: QueryDict) -> Queue:
    """Return the queue that the address asks for: `talk` is the filter."""
    address = ListAddress(query, NAME, "talk-page", ANCHOR)
    show = address.chosen(FILTERS)
    change = last_change(webinar)  # read first, so that changes during the other queries are read again
    messages = Message.objects.filter(webinar=webinar)
    counts = messages.aggregate(
        asked=Count("pk", filter=Q(kind=Kind.QUESTION)),
        writers=Count("person", distinct=True),
        **{f"n_{name}": Count("pk", filter=each) for name, (_label, each) in FILTERS.items()},
    )
    found = messages.filter(FILTERS[show][1]).select_related("person", "person__invited_by")
    return Queue(
        messages=list(_ordered(found, show)[:MOST]),
        total=counts[f"n_{show}"],
        by_inviter=show == "inviters",
        choices=address.links(
            [(name, label, counts[f"n_{name}"]) for name, (label, _q) in FILTERS.items()], show
        ),
        asked=counts["asked"],
        answered=counts["n_answered"],
        writers=counts["writers"],
        muted=list(Person.objects.filter(talk_mutes__webinar=webinar).order_by("name", "pk")),
        change=change,
        show=show,
        is_open=webinar.state is not Status.ARCHIVED,
    )


def _ordered(messages: QuerySet[Message], show: str) -> QuerySet[Message]:
    if show != "inviters":
        return messages.order_by("-number")
    return messages.order_by(
        F("person__invited_by__name").asc(nulls_last=True), "person__invited_by", "-number"
    )
