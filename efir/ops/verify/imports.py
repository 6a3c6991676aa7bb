"""Check imports: a webinar that was over when it was imported must not have caused anything."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Exists, F, OuterRef, Q

from efir.attendance.models import Verdict
from efir.hooks.models import JournalEntry
from efir.importing.models import ImportedRecord
from efir.ops.verify.issue import Issue
from efir.telegram.models import OutboxMessage
from efir.webinars.lifecycle import Status


def issues() -> Iterator[Issue]:
    """Check that each webinar imported as over is archived, without facts, verdicts and messages."""
    over = ImportedRecord.objects.filter(webinar__finished_at__lt=F("imported_at"))
    caused = [
        Exists(model._base_manager.filter(webinar_id=OuterRef("webinar_id")))
        for model in (JournalEntry, Verdict, OutboxMessage)
    ]
    wrong = over.filter(~Q(webinar__status=Status.ARCHIVED) | caused[0] | caused[1] | caused[2])
    for record in wrong.order_by("pk").iterator():
        yield Issue(
            "import",
            {"webinar": record.webinar_id},
            "was over when it was imported, but is not archived or has facts, verdicts or messages",
        )
