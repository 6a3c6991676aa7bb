"""`/webinars/`: the schedule, for everybody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts import referral
from efir.accounts.models import Person
from efir.web.shortcuts import with_server_time
from efir.webinars.schedule import Schedule, booked_webinar_ids


@never_cache
@require_safe
@with_server_time
def schedule(request: HttpRequest) -> HttpResponse:
    """What is on air, then the next, large, then the others."""
    programme = Schedule.read()
    first = next((webinar for webinar in programme.upcoming if not webinar.withdrawn), None)
    seated = booked_webinar_ids(request.user.pk) if isinstance(request.user, Person) else frozenset()
    context = {
        "live": programme.on_air,
        "next": first,
        "next_is_first": not programme.on_air,
        "announced": next(iter(programme.on_air), first),
        "others": [webinar for webinar in programme.upcoming if webinar != first],
        "seated": seated,
        "current": programme.current(seated),
    }
    response = render(request, "webinars/schedule.html", context)
    referral.remember(request, response)
    return response
