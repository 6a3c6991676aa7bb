"""Words about people for templates."""

from __future__ import annotations

from django import template

from efir.accounts import labels

register = template.Library()


@register.filter
def role_label(role: str) -> str:
    """`partner` as the reader calls it."""
    return labels.role_label(role)
