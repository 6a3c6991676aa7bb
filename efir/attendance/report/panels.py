"""What the speaker's page shows of an evening: its numbers and curve, and each person's bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from efir.attendance.classifier import eligible_leads
from efir.attendance.models import Classification, Verdict
from efir.attendance.report import charts
from efir.attendance.report.charts import Curve, Piece
from efir.attendance.report.stats import Funnel, numbers_of
from efir.attendance.timeline import BroadcastTimeline
from efir.lib import clock
from efir.webinars.models import Webinar

# So many stretches are named beside a bar; who came and went more often has the rest in the export.
NAMED_AT_MOST = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """What every drawing of the evening shares: pauses, the call-to-action's showing and blind spells."""

    start: str
    end: str
    paused: Sequence[Piece]
    cta: Sequence[Piece]
    blind: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel. `share` is in per cent of an earlier step, where that makes sense.

    Its bar is `count` high and hangs `above` below the top of the highest one, `of`.
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
    """One person's presence, and its times in words; `more` are the stretches that are not named."""

    pieces: Sequence[Piece]
    words: str
    more: int


def scale_of(timeline: BroadcastTimeline) -> Scale:
    """The shared part of the evening's drawings."""
    return Scale(
        start=timeline.format_time(timeline.start),
        end=timeline.format_time(timeline.end),
        paused=charts.pieces(timeline.paused, timeline),
        cta=charts.pieces(timeline.cta, timeline),
        blind=charts.pieces(timeline.not_recorded, timeline),
    )


def bar_of(verdict: Verdict, timeline: BroadcastTimeline | None) -> Bar | None:
    """Lay out the verdict's presence on the webinar's real length; None if the webinar has no timeline."""
    if timeline is None:
        return None
    drawn = charts.pieces(verdict.spans, timeline)
    named = drawn[:NAMED_AT_MOST]
    return Bar(drawn, ", ".join(piece.words for piece in named), len(drawn) - len(named))


def draw_numbers(webinar: Webinar, timeline: BroadcastTimeline) -> NumbersPanel:
    """Count the webinar's funnel and presence, and lay out their drawings."""
    numbers = numbers_of(webinar, timeline)
    return NumbersPanel(numbers.funnel, _steps(numbers.funnel), charts.curve(numbers.curve, timeline))


def _steps(funnel: Funnel) -> list[Step]:
    """Entered is measured by the seats (whoever came without one is not in it), the rest by who entered."""
    counted = {
        "seats": (funnel.seats, None),
        "entered": (funnel.entered, _per_cent(funnel.entered - funnel.walk_ins, funnel.seats)),
        "saw_cta": (funnel.saw_cta, _per_cent(funnel.saw_cta or 0, funnel.entered)),
        "stayed": (funnel.stayed, _per_cent(funnel.stayed, funnel.entered)),
    }
    highest = max(count or 0 for count, _ in counted.values()) or 1
    return [Step(key, count, share, highest) for key, (count, share) in counted.items() if count is not None]


def _per_cent(part: int, whole: int) -> int | None:
    return round(100 * part / whole) if whole else None


def is_classified(webinar: Webinar) -> bool:
    """Return whether every lead of the webinar has a verdict."""
    return Classification.objects.filter(webinar=webinar).exclude(done_at=None).exists()


def progress_of(webinar: Webinar, judged: int) -> dict[str, Any]:
    """Return how far classification is; `judged` is the number of verdicts."""
    done = is_classified(webinar)
    return {
        "done": done,
        "judged": judged,
        "total": judged if done else max(judged, eligible_leads(webinar).count()),
        "settle_left_s": 0 if done else _settle_left_s(webinar),
        "without_inviter": Verdict.objects.filter(webinar=webinar, lead__invited_by=None).count(),
    }


def _settle_left_s(webinar: Webinar) -> int:
    if webinar.finished_at is None:
        return 0
    due = webinar.finished_at + timedelta(seconds=settings.EFIR.settle_s)
    return max(0, round((due - clock.now()).total_seconds()))
