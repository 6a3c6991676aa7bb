"""The panels of the speaker's page: the funnel, the curve of presence, a bar for each person, and progress.

Drawings are SVG coordinates as whole numbers. The horizontal scale is `WIDTH` for the webinar's real length, the
vertical one of the curve is `HEIGHT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from efir.attendance.classifier import eligible_leads
from efir.attendance.evidence import BroadcastTimeline, rule_for
from efir.attendance.intervals import Span
from efir.attendance.models import Classification, Verdict
from efir.attendance.report.stats import Funnel, Stats, stats_of
from efir.attendance.rules import Rule
from efir.lib import clock
from efir.webinars.models import Webinar

WIDTH, HEIGHT = 1000, 200
MINUTE = timedelta(minutes=1)
MAX_TICKS = 4
MAX_ROWS = 20
STEPS_MIN = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 360)
# Nearer to an edge than this share, a tick's label would overlap the label of the start or the end.
EDGE_SHARE = 0.2
ROUND_FACTORS = (1, 2, 4, 6, 8, 10)
# This many periods are listed beside a bar; the export has all of them.
MAX_LABELLED = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """A span on the horizontal scale, with its times as a label."""

    x: int
    width: int
    label: str

    @property
    def end(self) -> int:
        return self.x + self.width


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis. `x` is in per cent."""

    x: str
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """The stepped line and the area below it as SVG paths, the labels of the axes, and the same data as table rows.

    `presses` is a path with a line for each minute in which somebody pressed the call-to-action. The third cell of a
    row counts the presses up to the next row.
    """

    line: str
    area: str
    top: int
    half: int
    peak: int
    peak_at: str
    ticks: Sequence[Tick]
    presses: str
    rows: Sequence[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Scale:
    """The background that all drawings of a webinar share."""

    start: str
    end: str
    paused: Sequence[Piece]
    cta: Sequence[Piece]
    not_recorded: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel. `share`: per cent of an earlier step, or None.

    The step's bar is `count` high; its top is `above` below the top of the highest bar, which is `of` high.
    """

    key: str
    count: int
    share: int | None
    of: int

    @property
    def above(self) -> int:
        return self.of - self.count


@dataclass(frozen=True, slots=True)
class NumbersPanel:
    """The funnel with its steps, and the curve of presence."""

    funnel: Funnel
    steps: Sequence[Step]
    curve: Curve


@dataclass(frozen=True, slots=True)
class Bar:
    """The presence of one person, with the first periods as a label; `more` periods are not in the label."""

    pieces: Sequence[Piece]
    label: str
    more: int


def scale_of(timeline: BroadcastTimeline) -> Scale:
    """Lay out the pauses, the time of the call-to-action, and the time that was not recorded."""
    return Scale(
        start=timeline.format_time(timeline.start),
        end=timeline.format_time(timeline.end),
        paused=_pieces(timeline.paused, timeline),
        cta=_pieces(timeline.cta, timeline),
        not_recorded=_pieces(timeline.not_recorded, timeline),
    )


def bar_of(verdict: Verdict, timeline: BroadcastTimeline | None) -> Bar | None:
    """Lay out the verdict's presence on the webinar's real length; None if the webinar has no timeline."""
    if timeline is None:
        return None
    pieces = _pieces(verdict.spans, timeline)
    labelled = pieces[:MAX_LABELLED]
    return Bar(pieces, ", ".join(piece.label for piece in labelled), len(pieces) - len(labelled))


def draw_numbers(webinar: Webinar, timeline: BroadcastTimeline, rule: Rule) -> NumbersPanel:
    """Count the webinar's funnel and presence, and lay out their drawings; `rule` is what it is judged by."""
    stats = stats_of(webinar, timeline, rule)
    return NumbersPanel(stats.funnel, _steps(stats.funnel), _curve(stats, timeline))


def _pieces(spans: Iterable[Span], timeline: BroadcastTimeline) -> list[Piece]:
    pieces = []
    for span in spans:
        first, last = (round(timeline.share(moment) * WIDTH) for moment in span)
        width = max(last - first, 2)  # the shortest span is still visible
        pieces.append(Piece(min(first, WIDTH - width), width, timeline.format_span(span)))
    return pieces


def _steps(funnel: Funnel) -> list[Step]:
    # "Entered" is a share of the seats, without those who came without a seat. The rest are shares of "entered".
    counted = {
        "seats": (funnel.seats, None),
        "entered": (funnel.entered, _per_cent(funnel.entered - funnel.walk_ins, funnel.seats)),
        "saw_cta": (funnel.saw_cta, _per_cent(funnel.saw_cta or 0, funnel.entered)),
        "pressed_cta": (funnel.pressed_cta, _per_cent(funnel.pressed_cta or 0, funnel.entered)),
        "stayed": (funnel.stayed, _per_cent(funnel.stayed, funnel.entered)),
    }
    highest = max(count or 0 for count, _ in counted.values()) or 1
    return [Step(key, count, share, highest) for key, (count, share) in counted.items() if count is not None]


def _per_cent(part: int, whole: int) -> int | None:
    return round(100 * part / whole) if whole else None


def _curve(stats: Stats, timeline: BroadcastTimeline) -> Curve:
    """Lay out the curve of presence and the presses, by the minutes from the start."""
    counts, presses = stats.curve, stats.presses
    peak = max(counts)
    magnitude = 1
    while magnitude * 10 <= peak:
        magnitude *= 10
    # The next greater round number, so that the line stays below the edge; it is even, so that its half is whole.
    top = max(2, next(magnitude * factor for factor in ROUND_FACTORS if magnitude * factor > peak))

    def y(count: int) -> int:
        return HEIGHT - round(HEIGHT * count / top)

    def x_of(minute: int) -> int:
        return round(timeline.share(timeline.start + minute * MINUTE) * WIDTH)

    line = f"M0 {y(counts[0])}"
    for minute, (before, now) in enumerate(pairwise(counts), start=1):
        if before != now:
            line += f"H{x_of(minute)}V{y(now)}"
    line += f"H{WIDTH}"
    step = _step_min(len(counts), MAX_ROWS)
    return Curve(
        line=line,
        area=f"{line}V{HEIGHT}H0Z",
        top=top,
        half=top // 2,
        peak=peak,
        peak_at=timeline.format_time(timeline.start + counts.index(peak) * MINUTE),
        ticks=_ticks(timeline),
        presses="".join(
            f"M{x_of(minute)} {HEIGHT}V{y(min(count, top))}" for minute, count in enumerate(presses) if count
        ),
        rows=[
            (
                timeline.format_time(timeline.start + minute * MINUTE),
                counts[minute],
                sum(presses[minute : minute + step]),
            )
            for minute in range(0, len(counts), step)
        ],
    )


def _ticks(timeline: BroadcastTimeline) -> list[Tick]:
    """Mark round times of the webinar's clock at equal distances."""
    step = _step_min((timeline.end - timeline.start) / MINUTE, MAX_TICKS) * MINUTE
    local = timeline.start.astimezone(timeline.zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight + ((local - midnight) // step + 1) * step
    ticks = []
    while moment < timeline.end:
        share = timeline.share(moment)
        if EDGE_SHARE < share < 1 - EDGE_SHARE:
            ticks.append(Tick(f"{share:.2%}", timeline.format_time(moment)))
        moment += step
    return ticks


def _step_min(minutes: float, at_most: int) -> int:
    return next((step for step in STEPS_MIN if minutes / step <= at_most), STEPS_MIN[-1])


def is_classified(webinar: Webinar) -> bool:
    """Return whether every lead of the webinar has a verdict."""
    return Classification.objects.filter(webinar=webinar).exclude(done_at=None).exists()


def progress_of(webinar: Webinar, judged: int) -> dict[str, Any]:
    """Return how far classification is; `judged` is the number of verdicts."""
    done = is_classified(webinar)
    settle_left_s = 0.0
    if webinar.finished_at and not done:
        due = webinar.finished_at + timedelta(seconds=rule_for(webinar, watching=False).settle_s)
        settle_left_s = (due - clock.now()).total_seconds()
    return {
        "done": done,
        "judged": judged,
        "total": judged if done else max(judged, eligible_leads(webinar).count()),
        "settle_left_s": max(0, round(settle_left_s)),
        "without_inviter": Verdict.objects.filter(webinar=webinar, lead__invited_by=None).count(),
    }
