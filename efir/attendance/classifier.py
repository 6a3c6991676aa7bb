"""The classifier: after the settle delay, one verdict for each lead, in chunks of one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet
from structlog.contextvars import bound_contextvars

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.attendance import tracker
from efir.attendance.evidence import evening_of, rule_in_force
from efir.attendance.models import Classification, Participation, Verdict
from efir.attendance.rules import Evening, Rule, VerdictResult, judge
from efir.audit.log import note_address
from efir.audit.models import Origin
from efir.hooks import correlation
from efir.hooks.actions import ActionRefused, Code, Context
from efir.hooks.bus import emit, listen
from efir.hooks.events import (
    ClientWebinarAttendanceClassified,
    ClientWebinarCompleted,
    ClientWebinarEntered,
    Reason,
)
from efir.lib import clock, metrics
from efir.room.presence_store import PresenceSpan, all_recorded_past, spans_by_person
from efir.webinars.correlation import stop_of
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

CHUNK = 500

log = structlog.get_logger(__name__)


@listen(ClientWebinarEntered)
def note_entered(events: Sequence[ClientWebinarEntered]) -> None:
    """Who entered is a subject of the classification."""
    _note("entered_at", events)


@listen(ClientWebinarCompleted)
def note_completed(events: Sequence[ClientWebinarCompleted]) -> None:
    """Who completed attended."""
    _note("completed_at", events)


def _note(field: str, events: Sequence[ClientWebinarEntered] | Sequence[ClientWebinarCompleted]) -> None:
    together: dict[tuple[int, datetime], list[int]] = {}
    for event in events:
        together.setdefault((event.webinar_id, event.moment), []).append(event.lead_id)
    # Most share a moment (the start, the stop): an update for each moment is cheaper than a CASE for each person.
    for (webinar_id, moment), lead_ids in together.items():
        Participation.objects.filter(webinar_id=webinar_id, person_id__in=lead_ids).update(**{field: moment})


def due_webinars() -> list[Webinar]:
    """The finished webinars that can be classified now: settled, and every web process has told what it saw."""
    now = clock.now()
    settled = Webinar.objects.filter(
        status=Status.FINISHED,
        finished_at__lte=now - timedelta(seconds=settings.EFIR.settle_s),
        classification__done_at=None,
    )
    dead_after = timedelta(seconds=settings.EFIR.grace_s)
    return [
        webinar
        for webinar in settled
        if webinar.finished_at and all_recorded_past(webinar.finished_at, now, dead_after)
    ]


def eligible_leads(webinar: Webinar) -> QuerySet[Person]:
    """The leads on whom there will be a verdict: those who entered, and those who held a seat at the stop."""
    entered = Participation.objects.filter(webinar=webinar, person=OuterRef("pk"))
    seated = webinar.seats.filter(person=OuterRef("pk"), held_by_lead=True)
    # Who entered as somebody else than a lead is none, even with a seat held as a lead later.
    return Person.objects.filter(
        Exists(entered.filter(is_lead=True)) | (Exists(seated) & ~Exists(entered.filter(is_lead=False)))
    )


def classify_due() -> bool:
    """Judge the next chunk of every webinar that is due; whether there may be more to do. Called by the worker."""
    return any(tracker.for_each_isolated(classify_webinar, due_webinars()))


def classify_webinar(webinar: Webinar) -> bool:
    with bound_contextvars(webinar_id=webinar.pk, cause=stop_of(webinar.pk)):
        tracker.record_entries(webinar)  # also what a tracker that died did not get to
        return classify_chunk(webinar)


def classify_chunk(webinar: Webinar, size: int = CHUNK) -> bool:
    """Judge the next `size` leads in one transaction; whether there may be more to do."""
    with transaction.atomic():
        Classification.objects.bulk_create([Classification(webinar=webinar)], ignore_conflicts=True)
        mine = (
            Classification.objects.select_for_update(skip_locked=True)
            .filter(webinar=webinar, done_at=None)
            .first()
        )
        if mine is None:
            return False  # done, or another worker is at it
        lead_ids = _next_leads(webinar, size)
        if lead_ids:
            _judge(webinar, lead_ids)
            return True
        mine.done_at = clock.now()
        mine.save(update_fields=["done_at"])
        if webinar.finished_at:
            took_s = (mine.done_at - webinar.finished_at).total_seconds()
            metrics.VERDICTS.observe(took_s)
        log.info(
            "classified", webinar_id=webinar.pk, verdicts=Verdict.objects.filter(webinar=webinar).count()
        )
        return False


def _next_leads(webinar: Webinar, size: int) -> list[int]:
    """Who is judged next, in the order of their ids, and in the end whoever was left out.

    Asked as "who has no verdict yet", PostgreSQL reads all verdicts for each lead until it has counted the fresh ones.
    """
    judged = Verdict.objects.filter(webinar=webinar)
    latest = judged.aggregate(latest=Max("lead_id"))["latest"] or 0
    leads = eligible_leads(webinar).order_by("pk").values_list("pk", flat=True)
    if lead_ids := list(leads.filter(pk__gt=latest)[:size]):
        return lead_ids
    done = set(judged.values_list("lead_id", flat=True))
    return [lead_id for lead_id in leads if lead_id not in done][:size]


def _judge(webinar: Webinar, lead_ids: Sequence[int]) -> None:
    assert webinar.finished_at is not None  # noqa: S101  # a finished webinar has its moment
    rule = rule_in_force()
    evening = evening_of(webinar, webinar.finished_at)
    judgements = _judgements(webinar, lead_ids, evening, rule)
    completed = [lead_id for lead_id, judgement in judgements.items() if judgement.attended]
    tracker.complete(
        Participation.objects.filter(webinar=webinar, person_id__in=completed, completed_at=None),
        webinar.finished_at,
    )
    verdicts = Verdict.objects.bulk_create(_verdicts(webinar, judgements, rule))
    emit([_event(verdict) for verdict in verdicts if verdict.attended is not None])
    held = [verdict for verdict in verdicts if verdict.attended is None]
    if held:
        log.warning("verdicts_held", webinar_id=webinar.pk, count=len(held))


def _judgements(
    webinar: Webinar, lead_ids: Sequence[int], evening: Evening, rule: Rule
) -> dict[int, VerdictResult]:
    seen = spans_by_person(webinar.pk, lead_ids)
    return {lead_id: judge(seen.get(lead_id, []), evening, rule) for lead_id in lead_ids}


def _verdicts(webinar: Webinar, judgements: dict[int, VerdictResult], rule: Rule) -> list[Verdict]:
    now, rule_text = clock.now(), str(rule)
    return [
        Verdict(
            webinar=webinar,
            lead_id=lead_id,
            attended=judgement.attended,
            reason=judgement.reason,
            rule=rule_text,
            why_unknown=judgement.why_unknown,
            intervals=[[clock.iso(start), clock.iso(end)] for start, end in judgement.intervals],
            present_s=judgement.present_s,
            classified_at=now,
        )
        for lead_id, judgement in judgements.items()
    ]


def _event(verdict: Verdict) -> ClientWebinarAttendanceClassified:
    assert verdict.attended is not None  # noqa: S101  # a held verdict is not emitted
    return ClientWebinarAttendanceClassified(
        lead_id=verdict.lead_id,
        webinar_id=verdict.webinar_id,
        attended=verdict.attended,
        timestamp=verdict.decided_at or verdict.classified_at,
        reason=cast(Reason, verdict.reason),
        rule=verdict.rule,
        actor_id=verdict.decided_by_id,
    )


def decide(webinar_id: int, lead_id: int, attended: bool, context: Context) -> Verdict:
    """Decide a held verdict: the event goes out once, journalled with who decided. Raises Refused.

    A verdict that is not held (any more) is answered as done and stays as it is.
    """
    actor = Person.objects.filter(pk=context.actor_id or 0, is_active=True).first()
    if actor is None or not can(actor, Capability.DECIDE_VERDICT):
        raise ActionRefused(Code.FORBIDDEN, Capability.DECIDE_VERDICT)
    with transaction.atomic():
        verdict = Verdict.objects.select_for_update().filter(webinar_id=webinar_id, lead_id=lead_id).first()
        if verdict is None:
            raise ActionRefused(Code.NOT_FOUND, "no such verdict")
        if verdict.attended is None:
            verdict.attended, verdict.reason = attended, "decided_by_admin"
            verdict.decided_by, verdict.decided_at = actor, clock.now()
            verdict.save(update_fields=["attended", "reason", "decided_by", "decided_at"])
            emit([_event(verdict)])
            fact_id = correlation.entries_of(ClientWebinarAttendanceClassified, webinar_id, [lead_id])[
                lead_id
            ]
            # The journal tells who decided; from which address is kept beside it, and not for ever.
            note_address(Origin.JOURNAL, fact_id, context)
            log.info(
                "verdict_decided",
                webinar_id=webinar_id,
                lead_id=lead_id,
                actor_id=actor.pk,
                cause=correlation.cause(fact_id),
            )
        return verdict


def recompute(verdict: Verdict, evening: Evening) -> VerdictResult:
    """The verdict again, from its stored intervals and rule and the webinar's evening; a decision is not undone."""
    lost = verdict.why_unknown == "process_died"
    seen = [
        PresenceSpan(datetime.fromisoformat(start), datetime.fromisoformat(end), lost)
        for start, end in verdict.intervals
    ]
    return judge(seen, evening, Rule.parse(verdict.rule))
