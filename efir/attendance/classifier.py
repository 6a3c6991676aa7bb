"""The classifier: after the settle delay, one verdict for each lead, in chunks of one transaction each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from structlog.contextvars import bound_contextvars

from efir.accounts.capabilities import Capability
from efir.accounts.models import Person
from efir.accounts.roles import lock_actor
from efir.attendance import tracker
from efir.attendance.evidence import (
    evidence_by_person,
    evidence_in,
    is_watching_known,
    live_time_of,
    rule_for,
    stored_form,
    unseen_leads,
)
from efir.attendance.intervals import total_s
from efir.attendance.models import Classification, ClassificationChunk, Participation, Verdict
from efir.attendance.rules import LiveTime, Rule, VerdictResult, judge
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
from efir.lib.bulk_insert import bulk_insert
from efir.room.presence_store import heartbeats, recorded_until
from efir.webinars.correlation import stop_cause
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# Leads in one transaction: it takes well under a second, so that other workers and the outbox are not held up. On
# SQLite there are no other writes meanwhile. The outbox claims its messages 0.4 s before their calls, and its calls
# keep their rate if a transaction is a good deal shorter.
CHUNK, SQLITE_CHUNK = 500, 200

log = structlog.get_logger(__name__)


@listen(ClientWebinarEntered)
def record_entered(events: Sequence[ClientWebinarEntered]) -> None:
    """Store when each lead entered."""
    _stamp("entered_at", events)


@listen(ClientWebinarCompleted)
def record_completed(events: Sequence[ClientWebinarCompleted]) -> None:
    """Store when each lead completed."""
    _stamp("completed_at", events)


def _stamp(field: str, events: Sequence[ClientWebinarEntered] | Sequence[ClientWebinarCompleted]) -> None:
    by_moment: dict[tuple[int, datetime], list[int]] = {}
    for event in events:
        by_moment.setdefault((event.webinar_id, event.moment), []).append(event.lead_id)
    # Most share a moment (the start, the stop): an update per moment is cheaper than a CASE per person.
    for (webinar_id, moment), lead_ids in by_moment.items():
        Participation.objects.filter(webinar_id=webinar_id, person_id__in=lead_ids).update(**{field: moment})


def due_webinars() -> list[Webinar]:
    """Return the finished webinars to classify: past the settle delay, and all presence up to the stop written."""
    finished = Webinar.objects.filter(status=Status.FINISHED, classification__done_at=None)
    return [webinar for webinar in finished if _is_due(webinar)]


def _is_due(webinar: Webinar) -> bool:
    assert webinar.finished_at is not None  # noqa: S101  # a finished webinar has its moment
    rule = rule_for(webinar, watching=False)  # its times alone are needed
    settled_at = webinar.finished_at + timedelta(seconds=rule.settle_s)
    return settled_at <= clock.now() and webinar.finished_at <= recorded_until(rule.grace_s)


def eligible_leads(webinar: Webinar) -> QuerySet[Person]:
    """Return the leads who get a verdict: those who entered or may have entered, and those who held a seat at the stop.

    Somebody who entered in another role is no lead of this webinar, even with a seat held as a lead later.
    """
    classification = Classification.objects.filter(webinar=webinar).first() or Classification()
    is_old = classification.done_at and classification.heartbeats is None  # release 0.1 did not look for them
    unseen = [] if is_old else unseen_leads(webinar, classification.as_of)
    entered = Participation.objects.filter(webinar=webinar, person=OuterRef("pk"))
    seated = webinar.seats.filter(person=OuterRef("pk"), held_by_lead=True)
    return Person.objects.filter(
        Q(pk__in=unseen)
        | Exists(entered.filter(is_lead=True))
        | (Exists(seated) & ~Exists(entered.filter(is_lead=False)))
    )


def chunk_size() -> int:
    """Return how many leads are classified in one transaction of this database."""
    return SQLITE_CHUNK if connection.vendor == "sqlite" else CHUNK


def classify_due() -> bool:
    """Classify the next chunk of every webinar that is due. Return whether there may be more to do."""
    return any(tracker.for_each_isolated(classify_webinar, due_webinars()))


def classify_webinar(webinar: Webinar) -> bool:
    """Classify the webinar's next chunk. Return whether there may be more to do."""
    with bound_contextvars(webinar_id=webinar.pk, cause=stop_cause(webinar.pk)):
        if not ClassificationChunk.objects.filter(webinar=webinar).exists():
            # Before the leads are divided, or when all chunks are done: also what a worker missed before it died.
            tracker.record_entries(webinar)
        return classify_chunk(webinar, chunk_size())


def classify_chunk(webinar: Webinar, size: int) -> bool:
    """Classify the next `size` leads in one transaction. Return whether there may be more to do."""
    with transaction.atomic():
        classification = _lock(webinar)
        if classification is None:
            return False  # done, or another worker is classifying it
        if classification.heartbeats is None:
            _store_heartbeats(webinar, classification)
        if chunk := _first_chunk(webinar) or _plan_chunks(webinar, size):
            chunk.delete()  # before the events: their listeners ask whose verdicts are complete
            classified = Verdict.objects.filter(webinar=webinar, lead_id__in=chunk.lead_ids)
            done = set(classified.values_list("lead_id", flat=True))
            _classify_leads(
                webinar, [each for each in chunk.lead_ids if each not in done], classification.as_of
            )
            return True
        classification.done_at = clock.now()
        classification.save(update_fields=["done_at"])
        if webinar.finished_at:
            metrics.VERDICTS.observe((classification.done_at - webinar.finished_at).total_seconds())
        log.info(
            "classified", webinar_id=webinar.pk, verdicts=Verdict.objects.filter(webinar=webinar).count()
        )
        return False


def _lock(webinar: Webinar) -> Classification | None:
    """Lock the webinar's classification; None if it is done, or another worker holds it."""
    classifications = Classification.objects.filter(webinar=webinar)
    unfinished = classifications.filter(done_at=None).select_for_update(skip_locked=True)
    found = unfinished.first()
    if found or classifications.exists():
        return found
    Classification.objects.bulk_create([Classification(webinar=webinar)], ignore_conflicts=True)
    return unfinished.first()


def _store_heartbeats(webinar: Webinar, classification: Classification) -> None:
    """Store which evidence the verdicts use.

    Evidence that arrives later, even between two chunks, changes none of them.
    """
    assert webinar.started_at is not None  # noqa: S101  # a finished webinar has its moments
    assert webinar.finished_at is not None  # noqa: S101  # the same
    known = heartbeats(webinar.pk, webinar.started_at, webinar.finished_at)
    classification.heartbeats = {str(recorder_id): clock.iso(at) for recorder_id, at in known.items()}
    classification.save(update_fields=["heartbeats"])


def _first_chunk(webinar: Webinar) -> ClassificationChunk | None:
    return ClassificationChunk.objects.filter(webinar=webinar).order_by("number").first()


def _plan_chunks(webinar: Webinar, size: int) -> ClassificationChunk | None:
    """Divide the leads without a verdict into chunks. Return the first, or None if everybody has a verdict.

    The leads of one inviter follow each other, those with the fewest leads first: so an inviter with a few leads gets
    all their verdicts within the first seconds, however many leads others have. Leads without an inviter are last,
    because messages to inviters go before all others.
    """
    done = set(Verdict.objects.filter(webinar=webinar).values_list("lead_id", flat=True))
    by_inviter = eligible_leads(webinar).order_by("invited_by_id", "search_name", "pk")
    leads = [
        (inviter_id, lead_id)
        for inviter_id, lead_id in by_inviter.values_list("invited_by_id", "pk")
        if lead_id not in done
    ]
    counts = Counter(inviter_id for inviter_id, _ in leads)
    leads.sort(
        key=lambda lead: (lead[0] is None, counts[lead[0]], lead[0] or 0)
    )  # stable: names stay in order
    chunks = []
    for start in range(0, len(leads), size):
        inviter_id = leads[start][0]
        chunks.append(
            ClassificationChunk(
                webinar=webinar,
                number=start // size,
                lead_ids=[lead_id for _, lead_id in leads[start : start + size]],
                continued_inviter_id=inviter_id if start and leads[start - 1][0] == inviter_id else None,
            )
        )
    ClassificationChunk.objects.bulk_create(chunks)
    return chunks[0] if chunks else None


def _classify_leads(
    webinar: Webinar, lead_ids: Sequence[int], as_of: Mapping[UUID, datetime] | None = None
) -> None:
    """Write the verdicts on these leads and emit their events; a held verdict has none yet."""
    if not lead_ids:
        return
    assert webinar.finished_at is not None  # noqa: S101  # a finished webinar has its moment
    watching = is_watching_known(webinar, as_of)
    rule = rule_for(webinar, watching=watching)
    live_time = live_time_of(webinar, webinar.finished_at, as_of)
    evidence = evidence_by_person(webinar, lead_ids, live_time, watching=watching, as_of=as_of)
    now = clock.now()
    verdicts = []
    for lead_id in lead_ids:
        result = judge(evidence[lead_id], live_time, rule)
        verdicts.append(
            Verdict(
                webinar=webinar,
                lead_id=lead_id,
                attended=result.attended,
                reason=result.reason,
                rule=str(rule),
                why_unknown=result.why_unknown,
                present_s=result.present_s,
                watched_s=result.watched_s,
                live_s=total_s(live_time.spans),
                classified_at=now,
                **stored_form(result.evidence),
            )
        )
    attended = [verdict.lead_id for verdict in verdicts if verdict.attended]
    tracker.emit_completed(
        Participation.objects.filter(webinar=webinar, person_id__in=attended, completed_at=None),
        webinar.finished_at,
    )
    bulk_insert(verdicts)
    emit([_event(verdict) for verdict in verdicts if verdict.attended is not None])
    if held := sum(verdict.attended is None for verdict in verdicts):
        log.warning("verdicts_held", webinar_id=webinar.pk, count=held)


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


def resolve_verdict(webinar_id: int, lead_id: int, attended: bool, context: Context) -> Verdict:
    """Decide a held verdict and emit its event, journalled with the person who decided.

    Idempotent: a verdict that is not held (any more) is returned as it is. Raises ActionRefused if the actor lacks
    `decide_verdict`, or if there is no such verdict.
    """
    actor_id = context.actor_id
    with transaction.atomic():
        # A named person has to be responsible for the decision, so the system and the command line cannot decide.
        if actor_id is None or not lock_actor(context, Capability.DECIDE_VERDICT):
            raise ActionRefused(Code.FORBIDDEN, Capability.DECIDE_VERDICT)
        verdict = Verdict.objects.select_for_update().filter(webinar_id=webinar_id, lead_id=lead_id).first()
        if verdict is None:
            raise ActionRefused(Code.NOT_FOUND, "no such verdict")
        if verdict.attended is not None:
            return verdict
        verdict.attended, verdict.reason = attended, "decided_by_admin"
        verdict.decided_by_id, verdict.decided_at = actor_id, clock.now()
        verdict.save(update_fields=["attended", "reason", "decided_by", "decided_at"])
        emit([_event(verdict)])
        entries = correlation.entries_of(ClientWebinarAttendanceClassified, webinar_id, [lead_id])
        # The journal holds who decided; the address is stored apart, because it is deleted after a while.
        note_address(Origin.JOURNAL, entries[lead_id], context)
        log.info(
            "verdict_decided",
            webinar_id=webinar_id,
            lead_id=lead_id,
            actor_id=actor_id,
            cause=correlation.cause(entries[lead_id]),
        )
        return verdict


def recompute(verdict: Verdict, live_time: LiveTime) -> VerdictResult:
    """Evaluate a verdict again, from its stored evidence and rule and the webinar's `judged_live_time`.

    Ignores the decision of a person. Raises ValueError if the rule is not known.
    """
    return judge(evidence_in(verdict, live_time), live_time, Rule.parse(verdict.rule))
