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
from typing import TypeAlias

from django.core.cache import cache
from django.db.models import Count, DateTimeField, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from efir.accounts.capabilities import Capability, people_who_can
from efir.attendance.evidence import current_rule
from efir.attendance.intervals import Span, clip, last_s
from efir.attendance.models import Classification, Participation, Verdict
from efir.attendance.rules import Rule
from efir.attendance.timeline import BroadcastTimeline
from efir.room.models import PresenceInterval
from efir.webinars.models import Seat, Webinar

MINUTE = timedelta(minutes=1)
AT_ONCE = 2000
KEPT_S = 24 * 3600

# A person, and from when until when they were there.
Stretch: TypeAlias = tuple[int, datetime, datetime]


@dataclass(frozen=True)
class Funnel:
    """From the seats to the end; how many people. `saw_cta`: in live time; None where it was never shown.

    `walk_ins` are those who entered without a seat. While on air `stayed` are those who are there now; of the
    `unseen` the system does not know whether they stayed, whatever was decided about them.
    """

    seats: int
    entered: int
    walk_ins: int
    saw_cta: int | None
    stayed: int
    unseen: int = 0


@dataclass(frozen=True)
class Numbers:
    """The funnel, and how many leads were in the room at the start and after each further minute."""

    funnel: Funnel
    curve: Sequence[int]


def numbers_of(webinar: Webinar, timeline: BroadcastTimeline) -> Numbers:
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


def funnel_of(webinar: Webinar, timeline: BroadcastTimeline) -> Funnel:
    """The funnel, counted by the database with a few queries; by the verdicts where only they are left."""
    if is_pruned(webinar):
        return _funnel_kept(webinar, timeline)
    seat = Seat.objects.filter(webinar=webinar, person=OuterRef("person_id"))
    entered, saw = _overlaps(timeline.live), _overlaps(_shown_live(timeline))
    stayed = _overlaps(last_s(timeline.live, rule_of(webinar).grace_s))
    unseen = Q(Exists(_unseen(webinar).filter(lead=OuterRef("person_id"))))
    counted = lead_intervals(webinar).aggregate(
        entered=_people(entered),
        walk_ins=_people(entered & ~Q(Exists(seat))),
        saw_cta=_people(saw),
        stayed=_people(stayed & ~unseen),
        unseen=_people(entered & unseen),
    )
    if not timeline.cta:
        counted["saw_cta"] = None
    return Funnel(seats=_seats(webinar).count(), **counted)


def _funnel_kept(webinar: Webinar, timeline: BroadcastTimeline) -> Funnel:
    seated = set(Seat.objects.filter(webinar=webinar).values_list("person_id", flat=True))
    unseen = set(_unseen(webinar).values_list("lead_id", flat=True))
    final = last_s(timeline.live, rule_of(webinar).grace_s)
    entered: set[int] = set()
    saw: set[int] = set()
    stayed: set[int] = set()
    for person_id, began, until in stretches_of(webinar):
        span = [(began, until)]
        for found, within in ((entered, timeline.live), (saw, _shown_live(timeline)), (stayed, final)):
            if clip(span, within):
                found.add(person_id)
    return Funnel(
        seats=_seats(webinar).count(),
        entered=len(entered),
        walk_ins=len(entered - seated),
        saw_cta=len(saw) if timeline.cta else None,
        stayed=len(stayed - unseen),
        unseen=len(entered & unseen),
    )


def _unseen(webinar: Webinar) -> QuerySet[Verdict]:
    """The verdicts that were held, those decided since among them."""
    return Verdict.objects.filter(webinar=webinar, reason__in=("unknown", "decided_by_admin"))


def _shown_live(timeline: BroadcastTimeline) -> list[Span]:
    """When the call-to-action was seen on air: verdicts keep no pause, and no figure may change later."""
    return clip(timeline.cta, timeline.live)


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
        return current_rule()


def curve_of(webinar: Webinar, timeline: BroadcastTimeline) -> list[int]:
    """How many leads were in the room at the start and at each full minute after it, up to the end."""
    length = int((timeline.end - timeline.start) / MINUTE) + 1
    changes = [0] * (length + 1)
    for _, stretches in groupby(stretches_of(webinar), key=lambda row: row[0]):
        reached = 0
        for _, began, until in stretches:
            first, after = _mark(began, timeline), min(_mark(until, timeline), length)
            first = max(first, reached)
            if first < after:
                changes[first] += 1
                changes[after] -= 1
                reached = after
    return list(accumulate(changes[:-1]))


def _mark(moment: datetime, timeline: BroadcastTimeline) -> int:
    """The first full minute that is not before the moment."""
    return max(0, ceil((moment - timeline.start) / MINUTE))


def is_pruned(webinar: Webinar) -> bool:
    """Whether the recorded presence has been forgotten, so that only the verdicts tell who was there."""
    return Classification.objects.filter(webinar=webinar, evidence_pruned_at__isnull=False).exists()


def stretches_of(webinar: Webinar, ids: Sequence[int] | None = None) -> Iterator[Stretch]:
    """Every stretch of the leads (of all, or of these), each person's together and in order.

    Once the recorded presence is pruned they are the verdicts' own, which hold live time alone.
    """
    if is_pruned(webinar):
        yield from _kept_stretches(webinar, ids)
        return
    rows = lead_intervals(webinar).order_by("person_id", "began_at")
    chosen = rows if ids is None else rows.filter(person_id__in=ids)
    columns = chosen.values_list("person_id", "began_at", "until")  # type: ignore[misc]  # as annotated
    yield from columns.iterator(AT_ONCE)


def _kept_stretches(webinar: Webinar, ids: Sequence[int] | None) -> Iterator[Stretch]:
    leads = Participation.objects.filter(webinar=webinar, is_lead=True).values("person_id")
    verdicts = Verdict.objects.filter(webinar=webinar, lead_id__in=leads).order_by("lead_id")
    chosen = verdicts if ids is None else verdicts.filter(lead_id__in=ids)
    for verdict in chosen.iterator(AT_ONCE):
        for start, end in verdict.spans:
            yield verdict.lead_id, start, end
