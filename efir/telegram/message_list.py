"""The board: a webinar's messages by state, a page at a time, and how far sending is."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.telegram.health import BotHealth, bot_health
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox.queries import count_by_state
from efir.web.shortcuts import update_query
from efir.webinars.models import Webinar

ON_A_PAGE = 50
STATE, PAGE = "state", "messages"
ALL: Promise = _("все")
MOVING = (MessageState.QUEUED, MessageState.SENDING)
WAITING = (MessageState.WAITING_LINK, MessageState.WAITING_RECORDING, *MOVING)

# What is told of a message besides its own row.
RELATED = ("lead", "person__telegramchat", "caused_by", "retried_by", "resolved_by")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the filter's links."""

    label: str
    count: int
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class MessageList:
    """What the page shows. `query` is the address's, `more` what the pager adds to its own."""

    webinar: Webinar
    page: Page[OutboxMessage]
    choices: list[Choice]
    progress: dict[str, int]
    health: BotHealth
    query: str
    more: str


def read_board(webinar: Webinar, query: QueryDict) -> MessageList:
    """The messages that the address asks for: `state` filters, `messages` is the page; the rest is kept."""
    counts = count_by_state(webinar.pk)
    asked = query.get(STATE, "")
    state = asked if asked in MessageState else ""
    paginator = Paginator(_messages(webinar, state), ON_A_PAGE)
    paginator.count = counts.get(state, 0) if state else sum(counts.values())  # known already
    return MessageList(
        webinar=webinar,
        page=paginator.get_page(query.get(PAGE)),
        choices=list(_choices(counts, state, query)),
        progress=_progress(counts),
        health=bot_health(),
        query=update_query(query),
        more=_more(query),
    )


def _messages(webinar: Webinar, state: str) -> QuerySet[OutboxMessage]:
    messages = OutboxMessage.objects.filter(webinar=webinar)
    if state:
        messages = messages.filter(state=state)
    return messages.select_related(*RELATED).order_by("lead__name", "lead_id", "priority")


def _choices(counts: dict[str, int], chosen: str, query: QueryDict) -> list[Choice]:
    """All, then each state that some message is in."""
    choices = [Choice(str(ALL), sum(counts.values()), _address(query, ""), not chosen)]
    return choices + [
        Choice(str(state.label), counts.get(state, 0), _address(query, state), state == chosen)
        for state in MessageState
        if counts.get(state) or state == chosen
    ]


def _address(query: QueryDict, state: str) -> str:
    return f"{update_query(query, **{STATE: state, PAGE: ''}) or '?'}#messages"


def _more(query: QueryDict) -> str:
    others = update_query(query, **{PAGE: ""}).removeprefix("?")
    return f"&{others}#messages" if others else "#messages"


def _progress(counts: dict[str, int]) -> dict[str, int]:
    def number(*states: MessageState) -> int:
        return sum(counts.get(state, 0) for state in states)

    return {
        "total": sum(counts.values()),
        "sent": number(MessageState.SENT),
        "moving": number(*MOVING),
        "waiting": number(*WAITING),
        "failed": number(MessageState.FAILED),
        "uncertain": number(MessageState.UNCERTAIN),
        "expired": number(MessageState.EXPIRED),
    }
