"""Archiving: the one step of the lifecycle whose guard looks at verdicts and messages."""

from __future__ import annotations

from django.db import transaction

from efir.attendance.models import Classification
from efir.hooks.actions import Code, Context, Refused
from efir.telegram import outbox
from efir.webinars import core
from efir.webinars.models import Webinar


def archive(webinar_id: int, context: Context) -> Webinar:
    """finished → archived, once everybody is classified and every message is settled. Raises Refused."""
    with transaction.atomic():
        webinar = core.archive(webinar_id, context)
        classified = Classification.objects.filter(webinar_id=webinar_id).exclude(done_at=None).exists()
        if not classified or not outbox.all_settled(webinar_id):
            raise Refused(Code.INVALID_ARCHIVE, "verdicts or messages are not settled yet")
        return webinar
