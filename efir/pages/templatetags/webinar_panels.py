"""Webinars on other apps' pages: which one somebody signs up for, and which one is next for them."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context

from efir.webinars import selectors
from efir.webinars.models import Webinar
from efir.webinars.schedule import Schedule, seats_of

register = template.Library()


@register.simple_tag
def open_webinar(webinar_id: int | None) -> Webinar | None:
    """The webinar for which a seat can be booked, or nothing."""
    return selectors.open_webinar(webinar_id) if webinar_id is not None else None


@register.simple_tag
def next_webinar() -> Webinar | None:
    """The webinar on air, else the next one, for somebody who has no seat yet."""
    return Schedule.read().ahead()


@register.simple_tag(takes_context=True)
def has_seat(context: Context, webinar_id: int) -> bool:
    """Whether the person who looks has a seat there."""
    return webinar_id in seats_of(context["request"].user.pk)


@register.inclusion_tag("webinars/_account_card.html", takes_context=True)
def webinar_card(context: Context) -> dict[str, Any]:
    """The webinar on air or the next one, and whether the person who looks has a seat there."""
    seats = seats_of(context["request"].user.pk)
    webinar = Schedule.read().ahead(seats)
    return {
        "webinar": webinar,
        "seated": webinar is not None and webinar.pk in seats,
        "csrf_token": context.get("csrf_token"),
    }
