"""The schedule, booking a seat, calendars, and the posters' files."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts import referral
from efir.accounts.models import Person
from efir.accounts.sessions import current_person
from efir.hooks.actions import ActionRefused
from efir.site_settings.current import current
from efir.web.shortcuts import (
    CACHE_FOREVER,
    post_only,
    prefers_html,
    redirect_with_message,
    refused_json,
    with_server_time,
)
from efir.webinars import core
from efir.webinars.ical import render_calendar
from efir.webinars.labels import refusal_message, seat_booked_message
from efir.webinars.posters.formats import CONTENT_TYPES
from efir.webinars.posters.store import read_file
from efir.webinars.schedule import Schedule, booked_webinar_ids
from efir.webinars.selectors import for_calendar, visible_webinar

SCHEDULE_PATH = "/webinars/"
# Webinars after the next one. More would make the page too heavy for phones; most sites never have as many.
ON_A_PAGE = 30


@never_cache
@require_safe
@with_server_time
def schedule_page(request: HttpRequest) -> HttpResponse:
    """Show the schedule: what is on air, the next webinar large, then the others."""
    schedule = Schedule.read()
    following = next((webinar for webinar in schedule.upcoming if not webinar.withdrawn), None)
    seated = booked_webinar_ids(request.user.pk) if isinstance(request.user, Person) else frozenset()
    others = [webinar for webinar in schedule.upcoming if webinar != following]
    context = {
        "live": schedule.on_air,
        "next": following,
        "next_is_first": not schedule.on_air,
        "announced": next(iter(schedule.on_air), following),
        "others": Paginator(others, ON_A_PAGE).get_page(request.GET.get("page")),
        "seated": seated,
        "current": schedule.current(seated),
    }
    response = render(request, "webinars/schedule.html", context)
    referral.remember(request, response)
    return response


@post_only
def book_seat(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Book a seat for the logged-in person; a guest has to log in first."""
    as_html = prefers_html(request)
    if not request.user.is_authenticated:
        if as_html:
            return redirect_to_login(SCHEDULE_PATH)
        return JsonResponse({"error": "login_required"}, status=401)
    try:
        seat = core.book_seat(webinar_id, current_person(request))
    except ActionRefused as refused:
        if as_html:
            return redirect_with_message(request, SCHEDULE_PATH, refusal_message(refused.code), error=True)
        return refused_json(refused)
    if as_html:
        return redirect_with_message(request, SCHEDULE_PATH, seat_booked_message(seat.webinar))
    return JsonResponse({"webinar_id": webinar_id, "seat": True})


@require_safe
def calendar_feed(request: HttpRequest) -> HttpResponseBase:
    """Return the calendar of all published webinars, for a subscription."""
    with translation.override(_calendar_language(request)):
        return _calendar(
            request,
            render_calendar(for_calendar(), name=_("Вебинары: %(site)s") % {"site": current().title}),
            "webinars",
        )


@require_safe
def webinar_calendar(request: HttpRequest, webinar_id: int) -> HttpResponseBase:
    """Return the calendar file of one webinar."""
    webinar = visible_webinar(webinar_id, drafts=False)
    if webinar is None:
        raise Http404
    with translation.override(_calendar_language(request)):
        return _calendar(request, render_calendar([webinar]), f"webinar-{webinar.pk}")


def _calendar_language(request: HttpRequest) -> str:
    asked = request.GET.get("lang", "")
    return asked if asked in dict(settings.LANGUAGES) else translation.get_language()


def _calendar(request: HttpRequest, content: bytes, name: str) -> HttpResponseBase:
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {
        "ETag": etag,
        # Calendar programs revalidate each time, and get 304 while nothing has changed.
        "Cache-Control": "no-cache",
        "Vary": "Cookie",
        "Content-Disposition": f'inline; filename="{name}.ics"',
    }
    response = HttpResponse(content, content_type="text/calendar; charset=utf-8", headers=headers)
    return get_conditional_response(request, etag, response=response) or response


@require_safe
def poster(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """Return one file of a poster. No login is needed, because the URL cannot be guessed."""
    content = read_file(digest, name)
    if content is None:
        raise Http404
    return HttpResponse(content, content_type=CONTENT_TYPES[name], headers={"Cache-Control": CACHE_FOREVER})
