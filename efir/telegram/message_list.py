"""The list of a webinar's messages, filtered by state, with the progress of sending."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from efir.lib import clock
from efir.lib.filters import FilterLink, ListAddress, update_query
from efir.lib.pagination import KeyPaginator
from efir.telegram.health import BotHealth, bot_health
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox.queries import count_by_state
from efir.webinars.labels import zone_label
from efir.webinars.models import Webinar

ON_A_PAGE = 50
ALL: Promise = _("все")
MOVING = (MessageState.QUEUED, MessageState.SENDING)
PROGRESS = {
    "sent": (MessageState.SENT,),
    "moving": MOVING,
    "waiting": (MessageState.WAITING_LINK, MessageState.WAITING_RECORDING, *MOVING),
    "failed": (MessageState.FAILED,),
    "uncertain": (MessageState.UNCERTAIN,),
    "expired": (MessageState.EXPIRED,),
}

# Related rows that the list shows with each message.
RELATED = ("lead", "person__telegramchat", "caused_by", "retried_by", "resolved_by")


@dataclass(frozen=True, slots=True)
class MessageList:
    """A page of a webinar's messages. `query` is the address's own, `more` is what the pager appends to its own."""

    webinar: Webinar
    page: Page[OutboxMessage]
    choices: list[FilterLink]
    progress: dict[str, int]
    health: BotHealth
    query: str
    more: str

    @property
    def zone_label(self) -> str:
        return zone_label(clock.now(), self.webinar.zone)


def list_messages(webinar: Webinar, query: QueryDict) -> MessageList:
    """Return the messages that the address asks for: `state` filters, `messages` is the page."""
    address = ListAddress(query, "state", "messages", "#messages")
    counts = count_by_state(webinar.pk)
    total = sum(counts.values())
    state = address.chosen(MessageState)
    messages = OutboxMessage.objects.filter(webinar=webinar)
    if state:
        messages = messages.filter(state=state)
    rows = OutboxMessage.objects.select_related(*RELATED)
    paginator = KeyPaginator(messages.order_by("lead__name", "lead_id", "priority"), ON_A_PAGE, rows)
    paginator.count = counts.get(state, 0) if state else total  # saves the paginator's own query
    with_messages = [
        (each.value, each.label, counts.get(each, 0))
        for each in MessageState
        if counts.get(each) or each == state
    ]
    return MessageList(
        webinar=webinar,
        page=paginator.get_page(address.page_number),
        choices=address.links([("", ALL, total), *with_messages], state),
        progress={
            "total": total,
            **{name: sum(counts.get(each, 0) for each in states) for name, states in PROGRESS.items()},
        },
        health=bot_health(),
        query=update_query(query),
        more=address.pager_suffix,
    )
