"""Labels and bars of verdicts for templates."""

from __future__ import annotations

from collections.abc import Mapping

from django import template

from efir.attendance import labels
from efir.attendance.models import Verdict
from efir.attendance.report.panels import bar_of
from efir.attendance.rules import VerdictResult

register = template.Library()

register.filter("verdict_label", labels.verdict_label)
register.filter("reason_label", labels.reason_label)
register.filter("presence_label", labels.presence_label)
register.filter("watched_label", labels.watched_label)
register.filter("time_label", labels.time_label)
register.simple_tag(labels.explain, name="explain")
register.simple_tag(labels.late_label, name="late_label")
register.simple_tag(bar_of, name="bar")


@register.filter
def of_lead(by_lead: Mapping[int, VerdictResult], verdict: Verdict) -> VerdictResult | None:
    """Look up what concerns the verdict's lead."""
    return by_lead.get(verdict.lead_id)
