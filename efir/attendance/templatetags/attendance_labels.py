"""Labels and bars of verdicts for templates."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from efir.attendance import labels
from efir.attendance.models import Verdict
from efir.attendance.report import call_brief
from efir.attendance.report.call_brief import CallBrief
from efir.attendance.report.panels import bar_of
from efir.attendance.rules import VerdictResult

register = template.Library()

register.filter("verdict_label", labels.verdict_label)
register.filter("reason_label", labels.reason_label)
register.filter("presence_label", labels.presence_label)
register.filter("watched_label", labels.watched_label)
register.filter("time_label", labels.time_label)
register.filter("pressed_label", call_brief.pressed_label)
register.filter("question_label", call_brief.question_label)
register.simple_tag(labels.explain, name="explain")
register.simple_tag(labels.late_label, name="late_label")
register.simple_tag(bar_of, name="bar")


@register.filter
def of_lead(by_lead: Mapping[int, VerdictResult], verdict: Verdict) -> VerdictResult | None:
    """Look up what concerns the verdict's lead."""
    return by_lead.get(verdict.lead_id)


@register.filter
def of_verdict(by_verdict: Mapping[int, CallBrief], verdict: Verdict) -> CallBrief | None:
    """Look up what concerns the verdict."""
    return by_verdict.get(verdict.pk)
