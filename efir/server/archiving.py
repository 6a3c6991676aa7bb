"""Archive webinars: the one transition whose condition depends on verdicts and messages."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from efir.attendance.models import Classification, Verdict
from efir.hooks.actions import ActionRefused, Code, Context, Source
from efir.lib import clock
from efir.telegram.outbox import queries
from efir.webinars import core
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar


def archive(webinar_id: int, context: Context) -> Webinar:
    """Move a webinar from finished to archived. Raises ActionRefused while verdicts or messages are not settled."""
    with transaction.atomic():
        finished = Webinar.objects.select_for_update(no_key=True).filter(
            pk=webinar_id, status=Status.FINISHED
        )
        if finished.first() and not is_settled(webinar_id):
            raise ActionRefused(Code.INVALID_ARCHIVE, "verdicts or messages are not settled yet")
        return core.archive(webinar_id, context)


def is_settled(webinar_id: int) -> bool:
    """Return whether every verdict is made and decided, and every message is settled."""
    classified = Classification.objects.filter(webinar_id=webinar_id).exclude(done_at=None).exists()
    held = Verdict.objects.filter(webinar_id=webinar_id, attended=None).exists()
    return classified and not held and queries.all_settled(webinar_id)


def archive_settled() -> int:
    """Archive the settled webinars that finished `EFIR_ARCHIVE_DAYS` ago or earlier; return how many."""
    before = clock.now() - timedelta(days=settings.EFIR.archive_days)
    finished = Webinar.objects.filter(status=Status.FINISHED, finished_at__lte=before)
    count = 0
    for webinar_id in finished.values_list("pk", flat=True):
        try:
            archive(webinar_id, Context(None, Source.SYSTEM))
        except ActionRefused:
            continue  # not settled: the worker tries again in a few seconds
        count += 1
    return count
