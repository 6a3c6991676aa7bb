"""How log lines name a change of a webinar: by its entry in the ledger, which every process can look up.

The line of the request that made the change has it beside the request's id; those of the worker about the verdicts and
messages that follow have it too.
"""

from __future__ import annotations

from efir.webinars.lifecycle import Status
from efir.webinars.models import LedgerEntry


def ledger_cause(entry_id: int) -> str:
    """The change's name."""
    return f"ledger:{entry_id}"


def stop_cause(webinar_id: int) -> str | None:
    """The name of the change that finished the webinar; None while it is not finished."""
    stops = LedgerEntry.objects.filter(webinar_id=webinar_id, to_status=Status.FINISHED)
    entry_id = stops.order_by("pk").values_list("pk", flat=True).first()
    return None if entry_id is None else ledger_cause(entry_id)
