"""Labels and bars of verdicts for templates."""

from __future__ import annotations

from django import template

from efir.attendance import labels
from efir.attendance.report.panels import bar_of

register = template.Library()

register.filter("verdict_word", labels.verdict_word)
register.filter("reason_words", labels.reason_words)
register.filter("present_words", labels.present_words)
register.simple_tag(labels.explain, name="explain")
register.simple_tag(bar_of, name="bar")
