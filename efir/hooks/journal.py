"""Write facts to the journal, each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from efir.hooks.events import Event
from efir.hooks.models import JournalEntry
from efir.lib import clock
from efir.lib.bulk_insert import bulk_insert


def append(events: Sequence[Event]) -> dict[tuple[int, int], int]:
    """Journal the events that are not there yet; return the new entries' ids by (webinar id, lead id).

    All events must be of one kind.
    """
    recorded_at, batch = clock.now(), uuid4()
    bulk_insert(
        [
            JournalEntry(
                event=event.name,
                webinar_id=event.webinar_id,
                lead_id=event.lead_id,
                moment=event.moment,
                payload=event.payload(),
                actor_id=event.actor_id,
                recorded_at=recorded_at,
                batch=batch,
            )
            for event in events
        ],
        ignore_conflicts=True,
    )
    # An insert that ignores conflicts returns no ids, so the rows are found by the batch's number.
    entries = JournalEntry.objects.filter(batch=batch).values_list("webinar_id", "lead_id", "pk")
    return {(webinar_id, lead_id): pk for webinar_id, lead_id, pk in entries}
