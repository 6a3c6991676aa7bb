"""Verdicts on other apps' pages: the speaker's page, the partner's account, a candidate's page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Case, Exists, F, IntegerField, OuterRef, Prefetch, QuerySet, Value, When

from efir import clock
from efir.accounts.capabilities import Capability, people_who_can
from efir.accounts.models import Person
from efir.attendance import words
from efir.attendance.classifier import subjects
from efir.attendance.models import Classification, Verdict
from efir.attendance.participation import was_there
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

ON_A_PAGE = 50
CANDIDATES_ON_A_PAGE = 50

register = template.Library()

register.filter("verdict_word", words.verdict_word)
register.filter("reason_words", words.reason_words)
register.filter("present_words", words.present_words)


@register.simple_tag(takes_context=True)
def entered(context: dict[str, Any], webinar: Webinar) -> bool:
    """Whether the person who looks was in the room at a live moment."""
    if webinar.state is not Status.FINISHED:
        return False
    return was_there(webinar.pk, context["request"].user.pk)


@register.simple_tag
def intervals(verdict: Verdict) -> str:
    """«19:01–19:40, 19:42–20:05» by the webinar's clock."""
    zone = verdict.webinar.zone
    spans = [
        [datetime.fromisoformat(at).astimezone(zone).strftime("%H:%M") for at in span]
        for span in verdict.intervals
    ]
    return ", ".join("–".join(span) for span in spans)


@register.inclusion_tag("attendance/verdicts_panel.html", takes_context=True)
def verdicts_panel(context: dict[str, Any], webinar: Webinar) -> dict[str, Any]:
    """After the stop: how far classification is, and every verdict, the held ones first."""
    if webinar.state not in (Status.FINISHED, Status.ARCHIVED):
        return {"shown": False}
    request = context["request"]
    verdicts = _held_first(Verdict.objects.filter(webinar=webinar).select_related("lead", "webinar"))
    page = Paginator(verdicts, ON_A_PAGE).get_page(request.GET.get("verdicts"))
    return {
        "shown": True,
        "webinar": webinar,
        "page": page,
        "perms": context.get("perms"),
        "csrf_token": context.get("csrf_token"),
        **_progress(webinar, page.paginator.count),
    }


def _held_first(verdicts: QuerySet[Verdict]) -> QuerySet[Verdict]:
    held = Case(When(attended=None, then=Value(0)), default=Value(1), output_field=IntegerField())
    return verdicts.order_by(held, F("attended").desc(nulls_last=True), "lead__name", "lead_id")


def _progress(webinar: Webinar, judged: int) -> dict[str, Any]:
    done = Classification.objects.filter(webinar=webinar).exclude(done_at=None).exists()
    verdicts = Verdict.objects.filter(webinar=webinar)
    return {
        "done": done,
        "judged": judged,
        "total": judged if done else max(judged, subjects(webinar).count()),
        "settle_left_s": 0 if done else _settle_left_s(webinar),
        "held": verdicts.filter(attended=None).count(),
        "without_inviter": verdicts.filter(lead__invited_by=None).count(),
    }


def _settle_left_s(webinar: Webinar) -> int:
    if webinar.finished_at is None:
        return 0
    due = webinar.finished_at + timedelta(seconds=settings.EFIR.settle_s)
    return max(0, round((due - clock.now()).total_seconds()))


@register.inclusion_tag("attendance/own_candidates.html", takes_context=True)
def own_candidates_panel(context: dict[str, Any]) -> dict[str, Any]:
    """The people whom this partner invited, each with their role and their latest verdict."""
    request = context["request"]
    leads = people_who_can(Capability.IS_LEAD).filter(pk=OuterRef("pk"))
    latest = Prefetch("verdicts", _told().order_by("-webinar__starts_at"), to_attr="told")
    candidates = (
        Person.objects.filter(invited_by_id=request.user.pk)
        .annotate(is_lead=Exists(leads))
        .select_related("membership__group")
        .prefetch_related(latest)
        .order_by("-created_at", "-pk")
    )
    return {"page": Paginator(candidates, CANDIDATES_ON_A_PAGE).get_page(request.GET.get("candidates"))}


@register.inclusion_tag("attendance/candidate_verdicts.html")
def candidate_verdicts(candidate: Person) -> dict[str, Iterable[Verdict]]:
    """Every verdict on one candidate, the latest first."""
    return {"verdicts": _told().filter(lead=candidate).order_by("-webinar__starts_at")}


def _told() -> QuerySet[Verdict]:
    """What a partner learns: verdicts that are decided."""
    return Verdict.objects.exclude(attended=None).select_related("webinar")
