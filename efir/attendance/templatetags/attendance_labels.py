"""Labels and bars of verdicts for templates."""

from __future__ import annotations

from django import template

from efir.attendance import labels
from efir.attendance.report.panels import bar_of

register = template.Library()

register.filter("verdict_label", labels.verdict_label)
register.filter("reason_label", labels.reason_label)
register.filter("presence_label", labels.presence_label)
register.filter("watched_label", labels.watched_label)
register.filter("time_label", labels.time_label)
register.simple_tag(labels.explain, name="explain")
register.simple_tag(bar_of, name="bar")
