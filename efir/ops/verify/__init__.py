"""`efir verify`: whether everything that the database holds agrees, read in one consistent sight while Efir runs."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from efir.accounts.models import Person
from efir.attendance.models import Verdict
from efir.hooks.models import JournalEntry
from efir.ops.backup.schema import snapshot, unapplied
from efir.ops.verify import database, journal, ledger, messages, verdicts
from efir.ops.verify.problem import Issue
from efir.telegram.models import OutboxMessage
from efir.webinars.models import Webinar

COUNTED = {
    "people": Person,
    "webinars": Webinar,
    "facts": JournalEntry,
    "verdicts": Verdict,
    "messages": OutboxMessage,
}


def verify() -> Iterator[Issue | str]:
    """Every problem as it is found, and then, where there is none, one sentence with counts."""
    with snapshot():
        count = 0
        for problem in _problems():
            count += 1
            yield problem
        yield f"{count} disagreements." if count else _all_well()


def _problems() -> Iterator[Issue]:
    if missing := unapplied():
        # Nothing else can be asked: the tables are not those that this version knows.
        for app, name in missing:
            yield Issue("schema", {"migration": f"{app}.{name}"}, "is not applied", "run `efir migrate`")
        return
    for check in (database, ledger, journal, verdicts, messages):
        yield from check.problems()


def _all_well() -> str:
    counts = ", ".join(f"{model._base_manager.count()} {name}" for name, model in COUNTED.items())
    return f"OK: {counts} agree on {connection.vendor}."
