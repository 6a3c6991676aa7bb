"""Archiving: the one step of the lifecycle whose condition looks at verdicts and messages."""

from __future__ import annotations

from django.db import transaction

from efir.attendance.models import Classification, Verdict
from efir.hooks.actions import ActionRefused, Code, Context
from efir.telegram.outbox import queries
from efir.webinars import core
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar


def archive(webinar_id: int, context: Context) -> Webinar:
    """finished → archived, once everybody's verdict is there and every message is settled. Raises Refused."""
    with transaction.atomic():
        finished = Webinar.objects.select_for_update(no_key=True).filter(
            pk=webinar_id, status=Status.FINISHED
        )
        if finished.first() and not is_settled(webinar_id):
            raise ActionRefused(Code.INVALID_ARCHIVE, "verdicts or messages are not settled yet")
        return core.archive(webinar_id, context)


def is_settled(webinar_id: int) -> bool:
    """Whether nothing is to come any more: no verdict to make or to decide, no message on its way."""
    classified = Classification.objects.filter(webinar_id=webinar_id).exclude(done_at=None).exists()
    held = Verdict.objects.filter(webinar_id=webinar_id, attended=None).exists()
    return classified and not held and queries.all_settled(webinar_id)
