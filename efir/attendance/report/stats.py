"""Count from the recorded intervals how many people came, saw the call-to-action and stayed, and when.

Only leads count; who is one was settled when they entered. Each person counts once, however many tabs, devices and
reconnects they had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeAlias

from django.core.cache import cache
from django.db.models import (
    Case,
    CharField,
    Count,
    DateTimeField,
    Exists,
    F,
    IntegerField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    When,
)
from django.db.models.functions import Cast, Coalesce

from efir.accounts.capabilities import Capability, people_who_can
from efir.attendance.evidence import BroadcastTimeline, is_watching_known, rule_for
from efir.attendance.intervals import Span, clip, last_s
from efir.attendance.models import Classification, Participation, Verdict
from efir.attendance.rules import Rule
from efir.room.cta import presses_by_leads
from efir.room.models import PresenceInterval
from efir.webinars.models import Seat, Webinar

MINUTE = timedelta(minutes=1)
CHUNK = 2000
CACHED_FOR_S = 24 * 3600

# A person's id, and from when until when they were there.
PresenceRow: TypeAlias = tuple[int, datetime, datetime]


@dataclass(frozen=True)
class Funnel:
    """The numbers of people from the seats to the end.

    `saw_cta` saw the call-to-action in live time, and `pressed_cta` pressed it; None if it was never shown. `walk_ins`
    entered without a seat. While on air `stayed` are those who are there now. For `unseen` it is unknown whether they
    stayed, whatever a person has decided about them. `devices`: how many of those with a seat said on which `Device`
    they want to watch.
    """

    seats: int
    entered: int
    walk_ins: int
    saw_cta: int | None
    stayed: int
    unseen: int = 0
    pressed_cta: int | None = None
    devices: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Stats:
    """The funnel, and the number of leads in the room at the start and after each further minute.

    `presses`: how many of them pressed the call-to-action in the minute that begins there.
    """

    funnel: Funnel
    curve: Sequence[int]
    presses: Sequence[int]


def stats_of(webinar: Webinar, timeline: BroadcastTimeline, rule: Rule) -> Stats:
    """Return the webinar's statistics; cached once its classification is done, since then they do not change.

    rule: `rule_of` the webinar.
    """
    classification = Classification.objects.filter(webinar=webinar).first() or Classification()
    done_at, pruned = classification.done_at, classification.evidence_pruned_at is not None
    # The number changes with the fields of `Stats`: an older release may have filled the cache.
    key = f"stats-3-{webinar.pk}-{done_at:%Y%m%d%H%M%S%f}" if done_at else ""
    stats: Stats | None = cache.get(key) if key else None
    if stats is None:
        stats = Stats(
            funnel_of(webinar, timeline, rule, pruned=pruned),
            curve_of(webinar, timeline, pruned=pruned),
            presses_of(webinar, timeline),
        )
        if key:
            cache.set(key, stats, CACHED_FOR_S)
    return stats


def funnel_of(
    webinar: Webinar, timeline: BroadcastTimeline, rule: Rule | None = None, *, pruned: bool | None = None
) -> Funnel:
    """Count the funnel: in the database, or from the verdicts if the recorded presence has been pruned.

    rule, pruned: `rule_of` and `is_pruned`, if the caller has them.
    """
    # A verdict keeps no presence outside of live time. So the call-to-action counts in live time only, or the figure
    # would change with pruning.
    cta_live = clip(timeline.cta, timeline.live)
    final = last_s(timeline.live, (rule or rule_of(webinar)).grace_s)
    held = Verdict.objects.filter(webinar=webinar, reason__in=("unknown", "decided_by_admin"))
    if is_pruned(webinar) if pruned is None else pruned:
        counts = _count_verdicts(webinar, timeline.live, cta_live, final, held)
    else:
        seat = Seat.objects.filter(webinar=webinar, person=OuterRef("person_id"))
        unseen = Q(Exists(held.filter(lead=OuterRef("person_id"))))
        entered = _overlaps(timeline.live)
        counts = _count_people(
            _lead_intervals(webinar),
            entered=entered,
            walk_ins=entered & ~Q(Exists(seat)),
            saw_cta=_overlaps(cta_live),
            stayed=_overlaps(final) & ~unseen,
            unseen=entered & unseen,
        )
    if timeline.cta:
        counts["pressed_cta"] = presses_by_leads(webinar).count()
    else:
        counts["saw_cta"] = None
    seats, devices = count_seats(webinar)
    return Funnel(seats=seats, devices=devices, **counts)


def count_seats(webinar: Webinar) -> tuple[int, dict[str, int]]:
    """Return the number of seats of leads, and how many of these named each `Device`."""
    if webinar.finished_at:
        seats = webinar.seats.filter(held_by_lead=True)  # settled at the stop
    else:
        seats = webinar.seats.filter(person__in=people_who_can(Capability.IS_LEAD))
    by_device = dict(seats.values_list("device").annotate(Count("pk")).order_by())
    return sum(by_device.values()), {device: count for device, count in by_device.items() if device}


def _count_verdicts(
    webinar: Webinar,
    live: Sequence[Span],
    cta: Sequence[Span],
    final: Sequence[Span],
    held: QuerySet[Verdict],
) -> dict[str, Any]:
    seated = set(Seat.objects.filter(webinar=webinar).values_list("person_id", flat=True))
    unseen = set(held.values_list("lead_id", flat=True))
    entered: set[int] = set()
    saw_cta: set[int] = set()
    stayed: set[int] = set()
    for person_id, began, until in presence_rows(webinar):
        for people, within in ((entered, live), (saw_cta, cta), (stayed, final)):
            if clip([(began, until)], within):
                people.add(person_id)
    return {
        "entered": len(entered),
        "walk_ins": len(entered - seated),
        "saw_cta": len(saw_cta),
        "stayed": len(stayed - unseen),
        "unseen": len(entered & unseen),
    }


def _lead_intervals(webinar: Webinar) -> QuerySet[PresenceInterval]:
    """Return the intervals of those who entered as leads. `until`: the end, or the last heartbeat if it is open."""
    leads = PresenceInterval.objects.filter(
        webinar=webinar, person__participations__webinar=webinar, person__participations__is_lead=True
    )
    end = Coalesce("ended_at", "recorder__pulsed_at", output_field=DateTimeField())
    return leads.annotate(until=end)


def _count_people(intervals: QuerySet[PresenceInterval], **conditions: Q) -> dict[str, Any]:
    """Count the people who have an interval that meets each condition.

    By an index that has the intervals by person: counts of distinct people would sort them once for each condition.
    """
    flags = {
        f"has_{name}": Max(Case(When(condition, then=1), default=0, output_field=IntegerField()))
        for name, condition in conditions.items()
    }
    people = intervals.order_by().values("person_id").annotate(**flags)
    return people.aggregate(**{name: Coalesce(Sum(f"has_{name}"), 0) for name in conditions})


def _overlaps(spans: Iterable[Span]) -> Q:
    """Match intervals that have more than a point in common with one of the spans."""
    found = Q(pk__in=())
    for low, high in spans:
        found |= Q(began_at__lt=high, until__gt=low)
    return found & Q(until__gt=F("began_at"))


def rule_of(webinar: Webinar) -> Rule:
    """Return the rule by which the webinar was or will be judged."""
    text = Verdict.objects.filter(webinar=webinar).values_list("rule", flat=True).first()
    try:
        return Rule.parse(text or "")
    except ValueError:
        return rule_for(webinar, watching=is_watching_known(webinar))


def curve_of(webinar: Webinar, timeline: BroadcastTimeline, *, pruned: bool | None = None) -> list[int]:
    """Count the leads in the room at the start and at each full minute after it, up to the end.

    pruned: `is_pruned`, if the caller has it.
    """

    def minute_of(moment: datetime) -> int:
        # The first full minute that is not before the moment.
        return max(0, -((timeline.start - moment) // MINUTE))

    length = int((timeline.end - timeline.start) / MINUTE) + 1
    changes = [0] * (length + 1)
    if is_pruned(webinar) if pruned is None else pruned:
        rows: Iterator[tuple[int, int, int]] = (
            (person_id, minute_of(began), minute_of(until))
            for person_id, began, until in presence_rows(webinar, pruned=True)
        )
    else:
        # Everybody who is still there has the same end: each text is parsed once.
        minutes = lru_cache(CHUNK)(lambda text: minute_of(_moment(text)))
        rows = (
            (person_id, minutes(began), minutes(until))
            for person_id, began, until in _recorded_texts(webinar)
        )
    latest, counted_until = 0, 0
    for person_id, began, until in rows:
        if person_id != latest:
            latest, counted_until = person_id, 0
        first, after = max(began, counted_until), min(until, length)
        if first < after:
            changes[first] += 1
            changes[after] -= 1
            counted_until = after
    return list(accumulate(changes[:-1]))


def presses_of(webinar: Webinar, timeline: BroadcastTimeline) -> list[int]:
    """Count the leads who pressed the call-to-action in each minute, from the start on."""
    length = int((timeline.end - timeline.start) / MINUTE) + 1
    counts = [0] * length
    texts = (
        presses_by_leads(webinar)
        .annotate(text=Cast("pressed_at", CharField()))
        .values_list("text", flat=True)
    )
    for text in texts.iterator(CHUNK):
        counts[min(max((_moment(text) - timeline.start) // MINUTE, 0), length - 1)] += 1
    return counts


def is_pruned(webinar: Webinar) -> bool:
    """Return whether the recorded presence has been deleted, so that only the verdicts' intervals are left."""
    return Classification.objects.filter(webinar=webinar, evidence_pruned_at__isnull=False).exists()


def presence_rows(
    webinar: Webinar, ids: Sequence[int] | None = None, *, pruned: bool | None = None
) -> Iterator[PresenceRow]:
    """Yield the presence of these leads (None: of all), by person and time.

    If the recorded presence has been pruned, it is that of the verdicts, which is in live time only. pruned:
    `is_pruned`, if the caller has it.
    """
    if is_pruned(webinar) if pruned is None else pruned:
        leads = Participation.objects.filter(webinar=webinar, is_lead=True).values("person_id")
        verdicts = Verdict.objects.filter(webinar=webinar, lead_id__in=leads).order_by("lead_id")
        if ids is not None:
            verdicts = verdicts.filter(lead_id__in=ids)
        for verdict in verdicts.iterator(CHUNK):
            for start, end in verdict.spans:
                yield verdict.lead_id, start, end
        return
    for person_id, began, until in _recorded_texts(webinar, ids):
        yield person_id, _moment(began), _moment(until)


def _recorded_texts(webinar: Webinar, ids: Sequence[int] | None = None) -> Iterator[tuple[int, str, str]]:
    """Yield the recorded presence with its times as the database writes them.

    Django's conversion of a time on SQLite takes longer than all the rest.
    """
    rows = _lead_intervals(webinar).order_by("person_id", "began_at")
    if ids is not None:
        rows = rows.filter(person_id__in=ids)
    times = rows.annotate(from_text=Cast("began_at", CharField()), to_text=Cast("until", CharField()))
    yield from times.values_list("person_id", "from_text", "to_text").iterator(CHUNK)


def _moment(text: str) -> datetime:
    """Parse a time that the database wrote, in UTC; SQLite leaves the offset out."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
