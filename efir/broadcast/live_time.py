"""The times in which a webinar was live, by its ledger. Media outside these times are neither shown nor recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeAlias

from efir.webinars.lifecycle import Status
from efir.webinars.models import LedgerEntry

Span: TypeAlias = tuple[datetime, datetime]

# The end of a span that has not ended.
STILL_LIVE = datetime.max.replace(tzinfo=UTC)


def live_spans(webinar_id: int) -> list[Span]:
    """Return when the webinar was live, in order; the last span of a live webinar ends at `STILL_LIVE`."""
    entries = LedgerEntry.objects.filter(webinar_id=webinar_id).order_by("id").values_list("to_status", "at")
    spans: list[Span] = []
    for (status, begin), (_, end) in pairwise([*entries, ("", STILL_LIVE)]):
        if status != Status.LIVE:
            continue
        if spans and spans[-1][1] == begin:  # an entry of the call-to-action changes no status
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((begin, end))
    return spans


def is_live_at(spans: list[Span], moment: datetime) -> bool:
    """Return whether the moment lies in one of the spans."""
    return any(begin <= moment < end for begin, end in spans)
