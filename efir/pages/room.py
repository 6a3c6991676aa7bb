"""`/account/webinar_room/`: the room's page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.sessions import current_person
from efir.attendance.evidence import attendance_status
from efir.room.state import state_of
from efir.room.views import viewer_count, visible_or_404
from efir.talk.selectors import TALKS, last_messages, pinned_message
from efir.web.shortcuts import with_server_time
from efir.webinars.lifecycle import Status
from efir.webinars.models import Talk, Webinar
from efir.webinars.schedule import Schedule, booked_webinar_ids


@never_cache
@require_safe
@with_server_time
@capability_required(Capability.ENTER_ROOM)
def room(request: HttpRequest, webinar_id: int | None = None) -> HttpResponse:
    """Show the room of one webinar, or of the current one; the page is complete without its script."""
    person = current_person(request)
    asked = None if webinar_id is None else visible_or_404(person, webinar_id)
    schedule = Schedule.read()
    webinar = asked or schedule.current(booked_webinar_ids(person.pk))
    others = (*schedule.on_air, *schedule.upcoming)
    context: dict[str, Any] = {
        "webinar": webinar,
        "screen": _screen(webinar),
        "state": state_of(webinar, viewer_count(webinar)) if webinar else None,
        "counts_watching": bool(webinar and _min_watched(webinar)),
        "after": next((other for other in others if other != webinar and not other.withdrawn), None),
    }
    if webinar:
        context |= _talk(request, webinar, context["screen"])
    if webinar and webinar.state is Status.FINISHED:
        context["part"] = attendance_status(webinar.pk, person.pk)
    return render(request, "pages/room.html", context)


def _talk(request: HttpRequest, webinar: Webinar, screen: str) -> dict[str, Any]:
    """Return the talk for a page without its script: the public messages, with `?mine` also one's own.

    The edge caches the page for many viewers, but not with a query.
    """
    shown = webinar.talk in TALKS and screen in ("scheduled", "live", "paused")
    mine = "mine" in request.GET
    messages = last_messages(webinar, current_person(request) if mine else None) if shown else []
    return {
        "talk_shown": shown,
        "talk_messages": messages,
        "talk_pinned": pinned_message(webinar) if shown else None,
        "mine": mine,
        "has_chat": webinar.talk == Talk.EMBED and bool(webinar.chat_url),
    }


def _min_watched(webinar: Webinar) -> float:
    """Return how much of the live time a participant must watch, in percent; it is fixed when the webinar starts."""
    return (webinar.min_watched or 0) if webinar.started_at else settings.EFIR.min_watched


def _screen(webinar: Webinar | None) -> str:
    """Return which of the page's screens is shown."""
    if webinar is None:
        return "none"
    if webinar.withdrawn and webinar.state is Status.SCHEDULED:
        return "withdrawn"
    return "scheduled" if webinar.state is Status.DRAFT else webinar.status
