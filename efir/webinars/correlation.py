"""The `cause` in log lines: the ledger entry of a change, which every process can look up.

The request that makes a change logs it, and so does the worker with the verdicts and messages that follow.
"""

from __future__ import annotations

from efir.webinars.lifecycle import Status
from efir.webinars.models import LedgerEntry


def ledger_cause(entry_id: int) -> str:
    """Return the name of a change in log lines."""
    return f"ledger:{entry_id}"


def stop_cause(webinar_id: int) -> str | None:
    """Return the name of the change that finished the webinar; None while it is not finished."""
    stops = LedgerEntry.objects.filter(webinar_id=webinar_id, to_status=Status.FINISHED)
    entry_id = stops.order_by("pk").values_list("pk", flat=True).first()
    return None if entry_id is None else ledger_cause(entry_id)
