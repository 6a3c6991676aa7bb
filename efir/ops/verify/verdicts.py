"""Every verdict recomputed by the classifier's own rules: from what it keeps, and from the presence recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from efir.attendance.classifier import eligible_leads, recompute
from efir.attendance.evidence import evening_of
from efir.attendance.models import Verdict
from efir.attendance.rules import Evening, Rule, VerdictResult, judge
from efir.lib import clock
from efir.ops.verify.database import FROM_BACKUP
from efir.ops.verify.problem import Issue, differences
from efir.room.models import PresenceInterval
from efir.room.presence_store import spans_by_person
from efir.webinars.models import Webinar

CHUNK = 500
DECIDED = "decided_by_admin"
BY_HAND = "the message has gone out by it: tell the people concerned, and keep the presence as it is"


def problems() -> Iterator[Issue]:
    """Each classified webinar: who is judged, and how."""
    ended = Webinar.objects.exclude(finished_at=None).select_related("classification")
    for webinar in ended.order_by("pk").iterator():
        classification = getattr(webinar, "classification", None)
        if classification and classification.done_at:
            yield from _left_out(webinar)
        assert webinar.finished_at is not None  # noqa: S101  # as was asked
        evening = evening_of(webinar, webinar.finished_at)
        pruned = classification is not None and classification.evidence_pruned_at is not None
        kept = not pruned and PresenceInterval.objects.filter(webinar=webinar).exists()
        for chunk in _chunks(webinar):
            yield from _misjudged(webinar.pk, chunk, evening, kept)


def _left_out(webinar: Webinar) -> Iterator[Issue]:
    """Whoever entered, or held a seat, has one verdict, and nobody else."""
    leads = eligible_leads(webinar).order_by("pk").values_list("pk", flat=True).iterator(CHUNK)
    judged = Verdict.objects.filter(webinar=webinar).order_by("lead_id").values_list("lead_id", flat=True)
    for (lead_id,), is_subject, _ in differences(
        (((lead_id,), True) for lead_id in leads), (((lead_id,), True) for lead_id in judged.iterator(CHUNK))
    ):
        wrong = "has no verdict" if is_subject else "has a verdict, but neither entered nor held a seat"
        yield Issue("verdict", {"webinar": webinar.pk, "lead": lead_id}, wrong, FROM_BACKUP)


def _chunks(webinar: Webinar) -> Iterator[list[Verdict]]:
    rows = Verdict.objects.filter(webinar=webinar).order_by("lead_id")
    latest = 0
    while chunk := list(rows.filter(lead_id__gt=latest)[:CHUNK]):
        latest = chunk[-1].lead_id
        yield chunk


def _misjudged(webinar_id: int, chunk: Sequence[Verdict], evening: Evening, kept: bool) -> Iterator[Issue]:
    seen = spans_by_person(webinar_id, [verdict.lead_id for verdict in chunk]) if kept else {}
    for verdict in chunk:
        ids = {"webinar": webinar_id, "lead": verdict.lead_id}
        try:
            rule = Rule.parse(verdict.rule)
            own = recompute(verdict, evening)
        except (ValueError, TypeError):
            yield Issue(
                "verdict", ids, f"keeps no rule or presence that can be read: {verdict.rule}", FROM_BACKUP
            )
            continue
        if wrong := _differs(verdict, own):
            yield Issue("verdict", ids, f"{wrong} by what it keeps", FROM_BACKUP)
        elif kept and (wrong := _differs(verdict, judge(seen.get(verdict.lead_id, []), evening, rule))):
            yield Issue("verdict", ids, f"{wrong} by the presence recorded", BY_HAND)


def _differs(verdict: Verdict, again: VerdictResult) -> str:
    """What is stored and what came out, where they are not the same."""
    stored = (verdict.attended, verdict.reason, verdict.why_unknown, verdict.intervals)
    intervals = [[clock.iso(start), clock.iso(end)] for start, end in again.intervals]
    found = (again.attended, again.reason, again.why_unknown, intervals)
    if verdict.reason == DECIDED and again.reason == "unknown":  # a person decided what the rules had to hold
        stored, found = stored[2:], found[2:]  # type: ignore[assignment]  # without the decision
    if verdict.reason == DECIDED and (verdict.decided_by_id is None or verdict.decided_at is None):
        return "was decided by nobody"
    if stored != found:
        return f"is {_reason(verdict)}, but {_reason(again)}"
    return "" if abs(verdict.present_s - again.present_s) < 0.001 else "counts other seconds than there are"


def _reason(judged: Verdict | VerdictResult) -> str:
    return f"{judged.reason} ({judged.why_unknown})" if judged.why_unknown else judged.reason
