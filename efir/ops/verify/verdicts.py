"""Recompute every verdict by the classifier's rules, from its stored evidence and from the recorded presence.

Presence that was written after the verdict is no contradiction: it gives a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from efir.attendance.classifier import eligible_leads, recompute
from efir.attendance.evidence import evidence_by_person, judged_live_time, late_results, stored_form
from efir.attendance.models import UnknownReason, Verdict
from efir.attendance.rules import LiveTime, Rule, VerdictResult, judge
from efir.ops.backup.tables import batched
from efir.ops.verify.issue import FROM_BACKUP, Issue, differences, lead_ids
from efir.room.models import PresenceInterval
from efir.webinars.models import Webinar

CHUNK = 500
# The reasons for which somebody who neither entered nor held a seat may have a verdict.
MAY_HAVE_ENTERED = (UnknownReason.PROCESS_DIED, UnknownReason.CLOCK_MOVED)
DECIDED = "decided_by_admin"
TELL_PEOPLE = "its message has been sent: tell the people concerned, and keep the presence as it is"


def issues() -> Iterator[Issue]:
    """Check each webinar that ended: every lead has a verdict, and recomputing gives the same verdict."""
    ended = Webinar.objects.exclude(finished_at=None).select_related("classification")
    for webinar in ended.order_by("pk").iterator():
        classification = getattr(webinar, "classification", None)
        if classification and classification.done_at:
            yield from _wrong_leads(webinar)
        evening = judged_live_time(webinar)
        pruned = classification is not None and classification.evidence_pruned_at is not None
        has_evidence = not pruned and PresenceInterval.objects.filter(webinar=webinar).exists()
        for chunk in _chunks(webinar):
            yield from _wrong_verdicts(webinar, chunk, evening, has_evidence=has_evidence)


def notes() -> Iterator[str]:
    """Yield a sentence for each verdict that presence written after it would change."""
    ended = Webinar.objects.exclude(finished_at=None)
    for webinar in ended.order_by("pk").iterator():
        for chunk in _chunks(webinar):
            late = late_results(webinar, chunk)
            for verdict in chunk:
                if verdict.lead_id in late:
                    yield _late_note(verdict, late[verdict.lead_id])


def _late_note(verdict: Verdict, today: VerdictResult) -> str:
    todo = "decide it on the speaker's page, where both are shown"
    if verdict.attended is not None:
        todo = "tell the people concerned, if it matters: the message has been sent, and the verdict stays"
    return (
        f"note: verdict webinar={verdict.webinar_id} lead={verdict.lead_id}: is {_reason(verdict)}, but "
        f"{_reason(today)} by presence that was written later. To do: {todo}."
    )


def _chunks(webinar: Webinar) -> Iterator[Sequence[Verdict]]:
    return batched(Verdict.objects.filter(webinar=webinar).order_by("lead_id").iterator(CHUNK), CHUNK)


def _wrong_leads(webinar: Webinar) -> Iterator[Issue]:
    """Check that everybody who entered or held a seat has one verdict, and nobody else has."""
    eligible = eligible_leads(webinar).order_by("pk").values_list("pk", flat=True)
    judged = Verdict.objects.filter(webinar=webinar).order_by("lead_id").values_list("lead_id", flat=True)
    # The presence that shows who may have entered unseen has been deleted by then.
    is_pruned = webinar.classification.evidence_pruned_at is not None
    lost = set(judged.filter(why_unknown__in=MAY_HAVE_ENTERED)) if is_pruned else set()
    for (lead_id,), is_eligible, _ in differences(
        (((lead_id,), True) for lead_id in eligible.iterator(CHUNK)),
        (((lead_id,), True) for lead_id in judged.iterator(CHUNK)),
    ):
        if lead_id in lost:
            continue
        wrong = "has no verdict" if is_eligible else "has a verdict, but neither entered nor held a seat"
        yield Issue("verdict", lead_ids((webinar.pk, lead_id)), wrong)


def _wrong_verdicts(
    webinar: Webinar, chunk: Sequence[Verdict], evening: LiveTime, *, has_evidence: bool
) -> Iterator[Issue]:
    classification = getattr(webinar, "classification", None)
    as_of = classification.as_of if classification else None
    ids = [verdict.lead_id for verdict in chunk]
    watching = any(verdict.watched is not None for verdict in chunk)
    evidence = (
        evidence_by_person(webinar, ids, evening, watching=watching, as_of=as_of) if has_evidence else {}
    )
    for verdict in chunk:
        todo = FROM_BACKUP
        try:
            rule = Rule.parse(verdict.rule)
            if wrong := _difference(verdict, recompute(verdict, evening)):
                wrong += " by its stored evidence"
            elif has_evidence:
                again = judge(evidence[verdict.lead_id], evening, rule)
                # Release 0.1 neither held all of these nor stored which presence it had.
                if verdict.unseen is None and "unknown" in (verdict.reason, again.reason):
                    continue
                if wrong := _difference(verdict, again):
                    wrong, todo = f"{wrong} by the recorded presence", TELL_PEOPLE
        except (ValueError, TypeError):
            wrong = f"has no readable rule or presence: {verdict.rule}"
        if wrong:
            yield Issue("verdict", lead_ids((webinar.pk, verdict.lead_id)), wrong, todo)


def _difference(verdict: Verdict, again: VerdictResult) -> str:
    """Describe how a stored verdict differs from the recomputed one; empty if it does not."""
    kept = stored_form(again.evidence)
    if verdict.unseen is None:  # of release 0.1
        del kept["unseen"]
    stored: tuple[object, ...] = (
        verdict.attended,
        verdict.reason,
        verdict.unknown_reason,
        *(getattr(verdict, name) for name in kept),
    )
    expected: tuple[object, ...] = (again.attended, again.reason, again.why_unknown, *kept.values())
    if verdict.reason == DECIDED:
        if verdict.decided_by_id is None or verdict.decided_at is None:
            return "was decided by nobody"
        if again.reason == "unknown":  # an admin decided what the rules had to hold: only the rest must agree
            stored, expected = stored[2:], expected[2:]
    if stored != expected:
        return f"is {_reason(verdict)}, but {_reason(again)}"
    counted = ((verdict.present_s, again.present_s), (verdict.watched_s or 0, again.watched_s or 0))
    return "has other seconds than its intervals" if any(abs(a - b) >= 0.001 for a, b in counted) else ""


def _reason(judged: Verdict | VerdictResult) -> str:
    return f"{judged.reason} ({judged.why_unknown})" if judged.why_unknown else judged.reason
