"""Briefs for a partner's call to a candidate: when they left, whether they pressed the button, unanswered questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Expression, F, OuterRef
from django.utils.translation import gettext

from efir.attendance.evidence import live_spans, spans_while
from efir.attendance.intervals import Span, clip
from efir.attendance.labels import left_label
from efir.attendance.models import Verdict
from efir.lib import clock
from efir.lib.text import isolate
from efir.room.models import CtaPress
from efir.talk.models import Message
from efir.talk.selectors import UNANSWERED
from efir.webinars.lifecycle import ON_AIR
from efir.webinars.models import LedgerEntry, Webinar

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class UnansweredQuestion:
    """A question that nobody answered. `minute` of the broadcast, from 0; None if it was asked before the start."""

    text: str
    minute: int | None


@dataclass(frozen=True, slots=True)
class CallBrief:
    """A partner's brief about one candidate of one webinar.

    `left`: when they left and how much was still to come; empty if they stayed or never came. `pressed`: whether they
    pressed the call-to-action; None if they were not there while it was shown.
    """

    left: str
    pressed: bool | None
    questions: tuple[UnansweredQuestion, ...]


def briefs_of(verdicts: Collection[Verdict]) -> dict[int, CallBrief]:
    """Return the briefs for these verdicts, by verdict id; three queries. Their webinars must be loaded."""
    webinars = {verdict.webinar_id: verdict.webinar for verdict in verdicts}
    pairs = {"webinar__in": webinars, "person__in": {verdict.lead_id for verdict in verdicts}}
    times = _broadcast_times(webinars.values())
    pressed = set(CtaPress.objects.filter(**pairs).values_list("webinar_id", "person_id"))
    questions = defaultdict(list)
    for question in Message.objects.filter(UNANSWERED, **pairs).order_by("number"):
        minute = _minute(webinars[question.webinar_id].started_at, question.at)
        key = question.webinar_id, question.person_id
        questions[key].append(UnansweredQuestion(question.text, minute))
    briefs = {}
    for verdict in verdicts:
        key, (live, shown) = (verdict.webinar_id, verdict.lead_id), times[verdict.webinar_id]
        saw_button = key in pressed or bool(clip(shown, verdict.spans))
        briefs[verdict.pk] = CallBrief(
            left=left_label(verdict, live, verdict.webinar.zone),
            pressed=key in pressed if saw_button else None,
            questions=tuple(questions.get(key, ())),
        )
    return briefs


def _broadcast_times(webinars: Iterable[Webinar]) -> dict[int, tuple[list[Span], list[Span]]]:
    """Return when each of these webinars was live, and when its call-to-action was shown, by id."""
    ledgers: dict[int, list[LedgerEntry]] = {webinar.pk: [] for webinar in webinars}
    for entry in LedgerEntry.objects.filter(webinar__in=ledgers).order_by("pk"):
        ledgers[entry.webinar_id].append(entry)
    times: dict[int, tuple[list[Span], list[Span]]] = {}
    for webinar in webinars:
        end, ledger = webinar.finished_at or clock.now(), ledgers[webinar.pk]
        shown = spans_while(ledger, end, lambda entry: entry.cta_visible and entry.to_status in ON_AIR)
        times[webinar.pk] = live_spans(ledger, end), shown
    return times


def asked(webinar: Expression | F | int, lead: OuterRef) -> Exists:
    """Match leads with a question that nobody answered; both are ids, or references to them in the outer query."""
    return Exists(Message.objects.filter(UNANSWERED, webinar_id=webinar, person_id=lead))


def pressed(webinar: Expression | F | int, lead: OuterRef) -> Exists:
    """Match leads who pressed the call-to-action; both are ids, or references to them in the outer query."""
    return Exists(CtaPress.objects.filter(webinar_id=webinar, person_id=lead))


def _minute(started_at: datetime | None, at: datetime) -> int | None:
    return None if started_at is None or at < started_at else int((at - started_at) / MINUTE)


def pressed_label(brief: CallBrief) -> str:
    """Say whether the button was pressed; empty if the candidate was not there while it was shown."""
    if brief.pressed is None:
        return ""
    return gettext("кнопка связи нажата") if brief.pressed else gettext("кнопка связи не нажата")


def question_label(question: UnansweredQuestion, text: str | None = None) -> str:
    """Format a question: «спросил: Сколько это стоит? (минута 42)»; `text` replaces its own, cut or escaped."""
    values = {
        "question": isolate(question.text if text is None else text),
        "minute": question.minute,
    }
    if question.minute is None:
        return gettext("спросил: %(question)s (до начала)") % values
    return gettext("спросил: %(question)s (минута %(minute)s)") % values
