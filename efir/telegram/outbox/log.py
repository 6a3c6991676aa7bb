"""What the log says of messages by their numbers, so that a request leads to them, and they lead to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from efir.hooks import correlation
from efir.hooks.events import ClientWebinarAttendanceClassified
from efir.telegram.models import OutboxMessage
from efir.webinars.correlation import stop_of

# journald cuts a line after 48 kB.
IDS_IN_A_LINE = 500


def causes_of(messages: Sequence[OutboxMessage]) -> dict[str | None, list[OutboxMessage]]:
    """The messages of one webinar by why there are any: a decision on a verdict that was held, or else the stop."""
    webinar_id = messages[0].webinar_id
    lead_ids = {row.lead_id for row in messages if row.caused_by_id}
    decided = (
        correlation.entries_of(ClientWebinarAttendanceClassified, webinar_id, lead_ids) if lead_ids else {}
    )
    stop = stop_of(webinar_id)
    causes: dict[str | None, list[OutboxMessage]] = defaultdict(list)
    for row in messages:
        fact_id = decided.get(row.lead_id) if row.caused_by_id else None
        causes[correlation.cause(fact_id) if fact_id else stop].append(row)
    return causes


def tell(log: Any, event: str, message_ids: Sequence[int], **about: Any) -> None:
    """What was done to these messages at once: one line, or several where they are many."""
    for start in range(0, max(1, len(message_ids)), IDS_IN_A_LINE):
        part = list(message_ids[start : start + IDS_IN_A_LINE])
        log.info(event, count=len(part), message_ids=part, **about)
