"""Check each webinar's row against its ledger, and the ledger against the lifecycle.

An entry that is earlier than the one before it is no contradiction if the clock was set back: it gives a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from efir.ops.verify.issue import Issue
from efir.room.presence_store import clock_went_back
from efir.webinars.lifecycle import TRANSITIONS, Status
from efir.webinars.models import LedgerEntry, Webinar


def issues() -> Iterator[Issue]:
    """Check one webinar after the other: there are few, and so are the entries of one."""
    for webinar in Webinar._base_manager.order_by("pk").iterator():
        entries = list(LedgerEntry.objects.filter(webinar=webinar).order_by("pk"))
        for wrong in (*_forbidden_steps(entries), *_row_differences(webinar, entries)):
            yield Issue("webinar", {"id": webinar.pk}, wrong)


def _forbidden_steps(entries: Sequence[LedgerEntry]) -> Iterator[str]:
    if entries and entries[0].from_status != Status.DRAFT:
        yield f"its ledger begins with {entries[0].from_status}"
    for entry in entries:
        step = (Status(entry.from_status), Status(entry.to_status))
        if step[0] != step[1] and step not in TRANSITIONS:
            yield f"ledger entry {entry.pk} goes from {step[0]} to {step[1]}"
    for before, after in pairwise(entries):
        if after.from_status != before.to_status:
            yield f"ledger entry {after.pk} begins at {after.from_status}, but {before.pk} ended at {before.to_status}"
        if after.at < before.at and not clock_went_back(after.at, before.at):
            yield _earlier(after, before)


def _earlier(after: LedgerEntry, before: LedgerEntry) -> str:
    return f"ledger entry {after.pk} is earlier than {before.pk}"


def notes() -> Iterator[str]:
    """Yield a sentence for each entry whose time comes twice because the clock was set back."""
    entries = LedgerEntry.objects.order_by("webinar_id", "pk")
    for before, after in pairwise(entries.iterator()):
        is_earlier = after.webinar_id == before.webinar_id and after.at < before.at
        if is_earlier and clock_went_back(after.at, before.at):
            yield (
                f"note: webinar id={after.webinar_id}: {_earlier(after, before)}, because the clock was set back. "
                "To do: decide the verdicts that are held for it."
            )


def _row_differences(webinar: Webinar, entries: Sequence[LedgerEntry]) -> Iterator[str]:
    last = entries[-1] if entries else None
    expected = {
        "status": last.to_status if last else Status.DRAFT.value,
        "cta_visible": last.cta_visible if last else False,
        "started_at": _reached_at(entries, Status.LIVE),
        "finished_at": _reached_at(entries, Status.FINISHED),
    }
    for name, value in expected.items():
        if getattr(webinar, name) != value:
            yield f"its {name} is {getattr(webinar, name)}, but the ledger says {value}"


def _reached_at(entries: Sequence[LedgerEntry], status: Status) -> object:
    return next((entry.at for entry in entries if entry.to_status == status != entry.from_status), None)
