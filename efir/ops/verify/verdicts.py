"""Recompute every verdict by the classifier's own rules: from what it keeps, and from the presence recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from efir.attendance.classifier import eligible_leads, recompute
from efir.attendance.evidence import live_time_of
from efir.attendance.models import Verdict
from efir.attendance.rules import LiveTime, Rule, VerdictResult, evaluate
from efir.lib import clock
from efir.ops.backup.tables import batched
from efir.ops.verify.issue import FROM_BACKUP, Issue, differences, lead_ids
from efir.room.models import PresenceInterval
from efir.room.presence_store import spans_by_person
from efir.webinars.models import Webinar

CHUNK = 500
DECIDED = "decided_by_admin"
TELL_PEOPLE = "the message has gone out by it: tell the people concerned, and keep the presence as it is"


def issues() -> Iterator[Issue]:
    """Check each webinar that ended: everybody concerned has a verdict, and every verdict comes out again."""
    ended = Webinar.objects.exclude(finished_at=None).select_related("classification")
    for webinar in ended.order_by("pk").iterator():
        classification = getattr(webinar, "classification", None)
        if classification and classification.done_at:
            yield from _wrong_leads(webinar)
        assert webinar.finished_at is not None  # noqa: S101  # as was asked
        evening = live_time_of(webinar, webinar.finished_at)
        pruned = classification is not None and classification.evidence_pruned_at is not None
        has_evidence = not pruned and PresenceInterval.objects.filter(webinar=webinar).exists()
        verdicts = Verdict.objects.filter(webinar=webinar).order_by("lead_id").iterator(CHUNK)
        for chunk in batched(verdicts, CHUNK):
            yield from _wrong_verdicts(webinar.pk, chunk, evening, has_evidence)


def _wrong_leads(webinar: Webinar) -> Iterator[Issue]:
    """Check that everybody who entered or held a seat has one verdict, and nobody else has."""
    eligible = eligible_leads(webinar).order_by("pk").values_list("pk", flat=True)
    judged = Verdict.objects.filter(webinar=webinar).order_by("lead_id").values_list("lead_id", flat=True)
    for (lead_id,), is_eligible, _ in differences(
        (((lead_id,), True) for lead_id in eligible.iterator(CHUNK)),
        (((lead_id,), True) for lead_id in judged.iterator(CHUNK)),
    ):
        wrong = "has no verdict" if is_eligible else "has a verdict, but neither entered nor held a seat"
        yield Issue("verdict", lead_ids((webinar.pk, lead_id)), wrong)


def _wrong_verdicts(
    webinar_id: int, chunk: Sequence[Verdict], evening: LiveTime, has_evidence: bool
) -> Iterator[Issue]:
    seen = spans_by_person(webinar_id, [verdict.lead_id for verdict in chunk]) if has_evidence else {}
    for verdict in chunk:
        todo = FROM_BACKUP
        try:
            rule = Rule.parse(verdict.rule)
            if wrong := _difference(verdict, recompute(verdict, evening)):
                wrong += " by what it keeps"
            elif has_evidence and (
                wrong := _difference(verdict, evaluate(seen.get(verdict.lead_id, []), evening, rule))
            ):
                wrong, todo = f"{wrong} by the presence recorded", TELL_PEOPLE
        except (ValueError, TypeError):
            wrong = f"keeps no rule or presence that can be read: {verdict.rule}"
        if wrong:
            yield Issue("verdict", lead_ids((webinar_id, verdict.lead_id)), wrong, todo)


def _difference(verdict: Verdict, again: VerdictResult) -> str:
    """Say how a stored verdict differs from the recomputed one; nothing if it does not."""
    intervals = [[clock.iso(start), clock.iso(end)] for start, end in again.intervals]
    stored: tuple[object, ...] = (
        verdict.attended,
        verdict.reason,
        verdict.unknown_reason,
        verdict.intervals,
    )
    expected: tuple[object, ...] = (again.attended, again.reason, again.why_unknown, intervals)
    if verdict.reason == DECIDED:
        if verdict.decided_by_id is None or verdict.decided_at is None:
            return "was decided by nobody"
        if again.reason == "unknown":  # an admin decided what the rules had to hold: only the rest must agree
            stored, expected = stored[2:], expected[2:]
    if stored != expected:
        return f"is {_reason(verdict)}, but {_reason(again)}"
    return "" if abs(verdict.present_s - again.present_s) < 0.001 else "counts other seconds than there are"


def _reason(judged: Verdict | VerdictResult) -> str:
    return f"{judged.reason} ({judged.why_unknown})" if judged.why_unknown else judged.reason
