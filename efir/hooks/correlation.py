"""Correlation ids for log lines: a fact is named by its journal entry, which every process can look up."""

from __future__ import annotations

from collections.abc import Collection

from efir.hooks.events import Event
from efir.hooks.models import JournalEntry


def cause(entry_id: int) -> str:
    """Return the id under which log lines name this entry as their cause."""
    return f"journal:{entry_id}"


def entries_of(event: type[Event], webinar_id: int, lead_ids: Collection[int]) -> dict[int, int]:
    """Return the journal entry's id for each of these leads that has this event."""
    entries = JournalEntry.objects.filter(event=event.name, webinar_id=webinar_id, lead_id__in=lead_ids)
    return dict(entries.values_list("lead_id", "pk"))
