"""The lines of the listings: times in UTC ending in `Z`, people by login (by number in `messages`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from efir.accounts.models import Person
from efir.attendance import classifier
from efir.attendance.evidence import judged_live_time
from efir.attendance.models import Verdict
from efir.attendance.rules import LiveTime
from efir.broadcast.status import session_statuses
from efir.hooks.models import JournalEntry
from efir.lib import clock
from efir.talk.models import Message, State
from efir.telegram.labels import reason_not_sent, why_not_sent
from efir.telegram.message_list import RELATED
from efir.telegram.models import OutboxMessage
from efir.webinars.models import Webinar


def webinar_line(webinar: Webinar) -> dict[str, Any]:
    """Return the line of a webinar."""
    return {
        "id": webinar.pk,
        "title": webinar.title,
        "status": webinar.status,
        "starts_at": _iso(webinar.starts_at),
        "cta_visible": webinar.cta_visible,
        "withdrawn": webinar.withdrawn,
        "version": webinar.version,
        "started_at": _iso(webinar.started_at),
        "finished_at": _iso(webinar.finished_at),
    }


def webinars() -> Iterator[dict[str, Any]]:
    """Return every webinar, the oldest first."""
    return map(webinar_line, Webinar.objects.order_by("pk").iterator())


def broadcasts(webinar_id: int | None) -> Iterator[dict[str, Any]]:
    """Yield every session of a sender, the oldest first."""
    for status in session_statuses(webinar_id):
        yield {
            "webinar_id": status.webinar_id,
            "session": str(status.session),
            "source": status.source,
            "state": status.state,
            "width": status.width,
            "height": status.height,
            "kbps": status.kbps,
            "last_segment_at": _iso(status.last_segment_at),
            "recorded_s": status.recorded_s,
        }


def journal(webinar_id: int | None) -> Iterator[dict[str, Any]]:
    """Yield every fact in the order of writing; the fields of its payload are fields of the line."""
    entries = JournalEntry.objects.order_by("pk")
    if webinar_id is not None:
        entries = entries.filter(webinar_id=webinar_id)
    logins = dict(Person.objects.filter(pk__in=entries.values("lead_id")).values_list("pk", "login"))
    for entry in entries.iterator():
        yield {
            "id": entry.pk,
            "event": entry.event,
            **entry.payload,
            "lead": logins.get(entry.lead_id),
            "actor_id": entry.actor_id,
            "recorded_at": _iso(entry.recorded_at),
        }


def verdicts(webinar_id: int) -> Iterator[dict[str, Any]]:
    """Yield every verdict of the webinar, held ones too; `recomputed` is its reason, judged again from the evidence."""
    evening = _evening(webinar_id)
    for verdict in (
        Verdict.objects.filter(webinar_id=webinar_id)
        .select_related("lead", "decided_by")
        .order_by("pk")
        .iterator()
    ):
        yield {
            "webinar_id": verdict.webinar_id,
            "lead_id": verdict.lead_id,
            "lead": verdict.lead.login,
            "attended": verdict.attended,
            "reason": verdict.reason,
            "rule": verdict.rule,
            "recomputed": classifier.recompute(verdict, evening).reason if evening else None,
            "intervals": verdict.intervals,
            "unseen": verdict.unseen,
            "present_s": verdict.present_s,
            "opened_at": _iso(verdict.opened_at),
            "watched": verdict.watched,
            "watching_unseen": verdict.watching_unseen,
            "watched_s": verdict.watched_s,
            "live_s": verdict.live_s,
            "why_unknown": verdict.unknown_reason or None,
            "classified_at": _iso(verdict.classified_at),
            "decided_by": verdict.decided_by.login if verdict.decided_by else None,
            "decided_at": _iso(verdict.decided_at),
        }


def _evening(webinar_id: int) -> LiveTime | None:
    webinar = Webinar.objects.filter(pk=webinar_id).first()
    return judged_live_time(webinar) if webinar and webinar.finished_at else None


def messages(webinar_id: int) -> Iterator[dict[str, Any]]:
    """Yield every message and question of the room, the oldest first; `person` is the author's number.

    What a muted person wrote is hidden, as for everybody else.
    """
    for message in Message.objects.filter(webinar_id=webinar_id).order_by("number").iterator():
        yield {
            "id": message.number,
            "webinar_id": message.webinar_id,
            "person": message.person_id,
            "kind": message.kind,
            "text": message.text,
            "state": State.HIDDEN.value if message.muted else message.state,
            "at": _iso(message.at),
            "answered_at": _iso(message.answered_at),
        }


def outbox(webinar_id: int | None, state: str | None = None) -> Iterator[dict[str, Any]]:
    """Return every message, or those in one state, the oldest first, without text and chat id.

    `reason` is a code, and `reason_text` the same in the active language.
    """
    messages = OutboxMessage.objects.select_related(*RELATED).order_by("pk")
    if webinar_id is not None:
        messages = messages.filter(webinar_id=webinar_id)
    if state is not None:
        messages = messages.filter(state=state)
    return map(_message_line, messages.iterator())


def _message_line(message: OutboxMessage) -> dict[str, Any]:
    return {
        "id": message.pk,
        "webinar_id": message.webinar_id,
        "kind": message.kind,
        "lead_id": message.lead_id,
        "lead": message.lead.login,
        "person_id": message.person_id,
        "person": message.person.login,
        "state": message.state,
        "reason": reason_not_sent(message) or None,
        "reason_text": why_not_sent(message) or None,
        "attempts": message.attempts,
        "caused_by": _login(message.caused_by),
        "retried_by": _login(message.retried_by),
        "resolved_by": _login(message.resolved_by),
        "carried_by": message.carried_by_id,
        "created_at": _iso(message.created_at),
        "due_at": _iso(message.due_at),
        "expires_at": _iso(message.expires_at),
        "sent_at": _iso(message.sent_at),
        "error": message.error or None,
    }


def _login(person: Person | None) -> str | None:
    return person.login if person else None


def _iso(moment: datetime | None) -> str | None:
    return clock.iso(moment) if moment else None
