"""An evening and its verdicts on other apps' pages: the speaker's page and the room."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context

from efir.attendance import labels
from efir.attendance.models import Verdict
from efir.attendance.participation import AttendanceStatus, attendance_status
from efir.attendance.report.panels import Bar, bar_of, drawn, is_done, progress_of, scale_of
from efir.attendance.report.stats import rule_of
from efir.attendance.report.verdict_list import counts_of, held_by_webinar, read_board
from efir.attendance.timeline import Timeline, timeline_of
from efir.webinars.labels import zone_label
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

register = template.Library()

register.filter("verdict_word", labels.verdict_word)
register.filter("reason_words", labels.reason_words)
register.filter("present_words", labels.present_words)


@register.simple_tag(takes_context=True)
def own_part(context: dict[str, Any], webinar: Webinar) -> AttendanceStatus:
    """Once it is over: what part the person who looks had in it."""
    if webinar.state is not Status.FINISHED:
        return AttendanceStatus()
    return attendance_status(webinar.pk, context["request"].user.pk)


@register.simple_tag
def because(verdict: Verdict, timeline: Timeline | None) -> str:
    """The reason with this person's own times."""
    return labels.explain(verdict, timeline)


@register.simple_tag
def bar(verdict: Verdict, timeline: Timeline | None) -> Bar | None:
    """The verdict's stretches, to be drawn."""
    return bar_of(verdict, timeline) if timeline else None


@register.inclusion_tag("attendance/numbers_panel.html")
def numbers_panel(webinar: Webinar) -> dict[str, Any]:
    """From the start on: the funnel, and how many were there when."""
    timeline = timeline_of(webinar)
    if timeline is None:
        # Just started: no web process has told yet what it saw.
        return {"shown": False, "soon": webinar.is_on_air}
    funnel, steps, curve = drawn(webinar, timeline)
    return {
        "shown": True,
        "webinar": webinar,
        "timeline": timeline,
        "scale": scale_of(timeline),
        "funnel": funnel,
        "steps": steps,
        "curve": curve,
        "zone": zone_label(timeline.start, timeline.zone),
    }


@register.inclusion_tag("attendance/held_notice.html")
def held_notice() -> dict[str, Any]:
    """Above the list of webinars: in which of them verdicts wait for a decision."""
    return {"held": held_by_webinar()}


@register.inclusion_tag("attendance/verdict_tally.html")
def verdict_tally(webinar: Webinar) -> dict[str, Any]:
    """After the stop, in a few figures: how many attended, how many did not, for how many a decision is due."""
    counts = counts_of(webinar)
    return {
        "done": counts[""] or is_done(webinar),
        "counts": counts,
        "missed": counts[""] - counts["attended"] - counts["held"],
    }


@register.inclusion_tag("attendance/verdicts_panel.html", takes_context=True)
def verdicts_panel(context: Context, webinar: Webinar) -> dict[str, Any]:
    """After the stop: how far classification is, and every verdict with its reason and its bar."""
    if webinar.state not in (Status.FINISHED, Status.ARCHIVED):
        return {"shown": False}
    board = read_board(webinar, context["request"].GET)
    timeline = timeline_of(webinar)
    return {
        "shown": True,
        "webinar": webinar,
        "board": board,
        "page": board.page,
        "held": board.counts["held"],
        "timeline": timeline,
        "scale": scale_of(timeline) if timeline else None,
        "zone": zone_label(timeline.start, timeline.zone) if timeline else "",
        "rule": labels.rule_words(rule_of(webinar)),
        "perms": context.get("perms"),
        "csrf_token": context.get("csrf_token"),
        **progress_of(webinar, board.counts[""]),
    }
