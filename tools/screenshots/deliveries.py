"""Messages as the dispatcher would leave them, without a bot."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from efir.attendance.models import Verdict
from efir.telegram.bot import lease
from efir.telegram.bot.outcomes import MessageRefused, OutcomeUnknown, Sent
from efir.telegram.outbox import claims, completion
from efir.webinars.models import Webinar
from tools.screenshots.held_webinars import MINUTE, at_time


def send_all() -> None:
    """Send every message that is due."""
    with at_time(_latest_verdict() + MINUTE):
        holder = _acquire_lease()
        while claimed := claims.claim(50, holder):
            for each in claimed:
                text = each.compose().text
                claims.mark_sending(each, text)
                completion.complete(each, Sent(each.messages[0].pk), text)
        lease.release(holder)


def send_in_every_state(webinar: Webinar) -> None:
    """Leave messages in every state: sent, failed, uncertain, sending, and queued."""
    with at_time(_latest_verdict() + MINUTE):
        holder = _acquire_lease()
        arrived, refused, unknown, _under_way, *rest = claims.claim(6, holder)
        for each in (arrived, refused, unknown):
            claims.mark_sending(each, each.compose().text)
        completion.complete(arrived, Sent(77), arrived.compose().text)
        completion.complete(refused, MessageRefused("Bad Request: chat not found"))
        completion.complete(unknown, OutcomeUnknown("timed out"))
        for each in rest:
            claims.release(each)
        lease.release(holder)
    with at_time(_latest_verdict() + 3 * MINUTE):
        holder = _acquire_lease()
        for each in claims.claim(50, holder):
            if each.messages[0].pk == unknown.messages[0].pk:
                claims.mark_sending(each, each.compose().text)
                completion.complete(each, OutcomeUnknown("timed out"))
            else:
                claims.release(each)
        lease.release(holder)


def _acquire_lease() -> UUID:
    holder = uuid4()
    assert lease.acquire(holder)  # noqa: S101  # no dispatcher runs here
    return holder


def _latest_verdict() -> datetime:
    latest = Verdict.objects.latest("classified_at")
    return latest.classified_at
