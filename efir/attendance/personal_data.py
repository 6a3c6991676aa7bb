"""Personal data of this app: participations, and the verdicts on a person and by them."""

from __future__ import annotations

from collections.abc import Iterable

from efir.accounts.models import Person
from efir.accounts.personal_data import Row, section
from efir.attendance.models import Participation, Verdict


@section("participations")
def _participations(person: Person) -> Iterable[Row]:
    rows = Participation.objects.filter(person=person).order_by("pk")
    return rows.values("webinar_id", "is_lead", "entered_at", "completed_at").iterator()


@section("verdicts")
def _verdicts(person: Person) -> Iterable[Row]:
    for verdict in Verdict.objects.filter(lead=person).select_related("webinar").order_by("pk").iterator():
        yield {
            "webinar_id": verdict.webinar_id,
            "webinar": verdict.webinar.title,
            "attended": verdict.attended,
            "reason": verdict.reason,
            "why_unknown": verdict.unknown_reason,
            "rule": verdict.rule,
            "intervals": verdict.intervals,
            "unseen": verdict.unseen,
            "present_s": verdict.present_s,
            "opened_at": verdict.opened_at,
            "watched": verdict.watched,
            "watching_unseen": verdict.watching_unseen,
            "watched_s": verdict.watched_s,
            "live_s": verdict.live_s,
            "classified_at": verdict.classified_at,
            "decided_at": verdict.decided_at,
        }


@section("verdicts_you_decided")
def _decided(person: Person) -> Iterable[Row]:
    rows = Verdict.objects.filter(decided_by=person).order_by("pk")
    return rows.values("webinar_id", "attended", "decided_at").iterator()
