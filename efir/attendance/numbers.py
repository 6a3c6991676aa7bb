"""A webinar in numbers, from the recorded intervals: how many came, saw the call-to-action, stayed; and when.

Only leads count: who counts as one was settled when they entered. Every figure is one person once, however many
tabs, devices and reconnects they had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, groupby
from math import ceil

from django.core.cache import cache
from django.db.models import Count, DateTimeField, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from efir.accounts.capabilities import Capability, people_who_can
from efir.attendance.evidence import rule_in_force
from efir.attendance.models import Classification, Verdict
from efir.attendance.rules import Rule
from efir.attendance.spans import Span, last_s
from efir.attendance.timeline import Timeline
from efir.room.models import PresenceInterval, Recorder
from efir.webinars.models import Seat, Webinar

MINUTE = timedelta(minutes=1)
AT_ONCE = 2000
KEPT_S = 24 * 3600


@dataclass(frozen=True)
class Funnel:
    """From the seats to the end; how many people. `saw_cta` is None where it was never shown.

    `walk_ins` are those who entered without a seat. While on air `stayed` are those who are there now.
    """

    seats: int
    entered: int
    walk_ins: int
    saw_cta: int | None
    stayed: int


@dataclass(frozen=True)
class Numbers:
    """The funnel, and how many leads were in the room at the start and after each further minute."""

    funnel: Funnel
    curve: Sequence[int]


def numbers_of(webinar: Webinar, timeline: Timeline) -> Numbers:
    """The webinar in numbers; once its verdicts are made these do not change, and are kept."""
    done_at = Classification.objects.filter(webinar=webinar).values_list("done_at", flat=True).first()
    key = f"numbers-{webinar.pk}-{done_at:%Y%m%d%H%M%S%f}" if done_at else ""
    kept: Numbers | None = cache.get(key) if key else None
    if kept is None:
        kept = Numbers(funnel_of(webinar, timeline), curve_of(webinar, timeline))
        if key:
            cache.set(key, kept, KEPT_S)
    return kept


def lead_intervals(webinar: Webinar) -> QuerySet[PresenceInterval]:
    """The recorded presence of those who entered as leads. `until`: its end, or the last pulse that saw it open."""
    leads = PresenceInterval.objects.filter(
        webinar=webinar, person__participations__webinar=webinar, person__participations__is_lead=True
    )
    end = Coalesce("ended_at", "recorder__pulsed_at", output_field=DateTimeField())
    return leads.annotate(until=end)


def funnel_of(webinar: Webinar, timeline: Timeline) -> Funnel:
    """The funnel, counted by the database with two queries."""
    seat = Seat.objects.filter(webinar=webinar, person=OuterRef("person_id"))
    entered, saw = _overlaps(timeline.live), _overlaps(timeline.cta)
    stayed = _overlaps(last_s(timeline.live, rule_of(webinar).grace_s))
    counted = lead_intervals(webinar).aggregate(
        entered=_people(entered),
        walk_ins=_people(entered & ~Q(Exists(seat))),
        saw_cta=_people(entered & saw),
        stayed=_people(stayed),
    )
    if not timeline.cta:
        counted["saw_cta"] = None
    return Funnel(seats=_seats(webinar).count(), **counted)


def _people(condition: Q) -> Count:
    return Count("person_id", distinct=True, filter=condition)


def _overlaps(spans: Iterable[Span]) -> Q:
    """The interval and one of the spans have more than a point in common."""
    found = Q(pk__in=())
    for low, high in spans:
        found |= Q(began_at__lt=high, until__gt=low)
    return found & Q(until__gt=F("began_at"))


def _seats(webinar: Webinar) -> QuerySet[Seat]:
    """The seats of leads; who is one was settled at the stop."""
    if webinar.finished_at:
        return webinar.seats.filter(held_by_lead=True)
    return webinar.seats.filter(person__in=people_who_can(Capability.IS_LEAD))


def rule_of(webinar: Webinar) -> Rule:
    """The rule by which the webinar was judged, or would be judged now."""
    text = Verdict.objects.filter(webinar=webinar).values_list("rule", flat=True).first()
    try:
        return Rule.parse(text or "")
    except ValueError:
        return rule_in_force()


def curve_of(webinar: Webinar, timeline: Timeline) -> list[int]:
    """How many leads were in the room at the start and at each full minute after it, up to the end."""
    length = int((timeline.end - timeline.start) / MINUTE) + 1
    changes = [0] * (length + 1)
    for _, stretches in groupby(_stretches(webinar), key=lambda row: row[0]):
        reached = 0
        for _, began, until in stretches:
            first, after = _mark(began, timeline), min(_mark(until, timeline), length)
            first = max(first, reached)
            if first < after:
                changes[first] += 1
                changes[after] -= 1
                reached = after
    return list(accumulate(changes[:-1]))


def _mark(moment: datetime, timeline: Timeline) -> int:
    """The first full minute that is not before the moment."""
    return max(0, ceil((moment - timeline.start) / MINUTE))


def _stretches(webinar: Webinar) -> Iterator[tuple[int, datetime, datetime]]:
    """Person, beginning and end of every interval, each person's together and in order."""
    rows = lead_intervals(webinar).order_by("person_id", "began_at")
    open_at = PresenceInterval.objects.filter(webinar=webinar, ended_at=None).values("recorder_id")
    pulses = dict(Recorder.objects.filter(pk__in=open_at).values_list("pk", "pulsed_at"))
    columns = rows.values_list("person_id", "began_at", "ended_at", "recorder_id")
    for person_id, began, ended, recorder_id in columns.iterator(AT_ONCE):
        yield person_id, began, ended or pulses[recorder_id]
