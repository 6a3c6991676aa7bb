"""`efir verify`: find contradictions in the database, in one consistent snapshot, while Efir runs.

Rules that the database itself enforces (unique keys, foreign keys of PostgreSQL, check constraints) are not checked
again, except triggers, which can be disabled.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import connection

from efir.accounts.models import Person
from efir.attendance.models import Verdict
from efir.hooks.models import JournalEntry
from efir.ops.backup.tables import long_snapshot, managed, stored_overlong_texts, unapplied_migrations
from efir.ops.verify import imports, journal, ledger, media, messages, talk, texts, verdicts
from efir.ops.verify.issue import Issue
from efir.telegram.models import OutboxMessage
from efir.triggers import registry
from efir.webinars.models import Webinar

COUNTED = {
    "people": Person,
    "webinars": Webinar,
    "facts": JournalEntry,
    "verdicts": Verdict,
    "messages": OutboxMessage,
}
MIGRATE = "run `efir migrate`"
SHORTEN = "shorten it with SQL: otherwise no backup can be restored on PostgreSQL"


def verify(*, with_media: bool = True) -> Iterator[Issue | str]:
    """Yield every issue as it is found, then notes, and a sentence with counts at the end.

    `with_media`: compare the files of media with their rows, too; right after a restore they are not there yet.
    """
    with long_snapshot():
        count = 0
        for issue in _issues(with_media=with_media):
            count += 1
            yield issue
        if not unapplied_migrations():
            yield from texts.notes()
            yield from ledger.notes()
            yield from verdicts.notes()
            if with_media:
                yield from media.notes()
        if count:
            yield f"{count} disagreements."
            return
        counts = ", ".join(f"{model._base_manager.count()} {name}" for name, model in COUNTED.items())
        yield f"OK: {counts} agree on {connection.vendor}."


def _issues(*, with_media: bool) -> Iterator[Issue]:
    if missing := unapplied_migrations():
        # The other checks cannot run on the schema of another version.
        for app, name in missing:
            yield Issue("schema", {"migration": f"{app}.{name}"}, "is not applied", MIGRATE)
        return
    for name in sorted(registry.missing()):
        yield Issue("trigger", {"name": name}, "is missing or changed", MIGRATE)
    if connection.vendor == "sqlite":
        yield from _sqlite_issues()
    for check in (ledger, journal, verdicts, messages, talk, imports):
        yield from check.issues()
    if with_media:
        yield from media.issues()


def _sqlite_issues() -> Iterator[Issue]:
    """Check the rules that SQLite, unlike PostgreSQL, does not enforce in every connection."""
    for model in managed(apps.get_models(include_auto_created=True)):
        for text in stored_overlong_texts(model):
            yield Issue("text", {"table": text.table, "id": text.row_id}, text.wrong, SHORTEN)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check(100)")
        for (result,) in cursor.fetchall():
            if result != "ok":
                yield Issue("file", {"database": "sqlite"}, result)
        # The sqlite3 program does not enforce foreign keys unless told to.
        cursor.execute("PRAGMA foreign_key_check")
        for table, row_id, target, _ in cursor.fetchall():
            yield Issue("row", {"table": table, "id": row_id}, f"names a row of {target} that does not exist")
