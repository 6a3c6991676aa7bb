"""How log lines name a fact as the cause of others: by its entry in the journal, which every process can look up."""

from __future__ import annotations

from collections.abc import Collection

from efir.hooks.events import Event
from efir.hooks.models import JournalEntry


def cause(entry_id: int) -> str:
    """The fact's name."""
    return f"journal:{entry_id}"


def entries_of(event: type[Event], webinar_id: int, lead_ids: Collection[int]) -> dict[int, int]:
    """Lead → the entry of this fact about them, where there is one."""
    entries = JournalEntry.objects.filter(event=event.name, webinar_id=webinar_id, lead_id__in=lead_ids)
    return dict(entries.values_list("lead_id", "pk"))
