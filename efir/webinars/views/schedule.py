"""`/webinars/`: the schedule, for everybody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts import referral
from efir.accounts.models import Person
from efir.webinars.models import Seat
from efir.webinars.visibility import current_webinar, on_air, upcoming


@never_cache
@require_safe
def schedule(request: HttpRequest) -> HttpResponse:
    """What is on air, then the next, large, then the others."""
    live, ahead = list(on_air()), list(upcoming())
    first = next((webinar for webinar in ahead if not webinar.withdrawn), None)
    context = {
        "live": live,
        "next": first,
        "others": [webinar for webinar in ahead if webinar != first],
        **_of_person(request),
    }
    response = render(request, "webinars/schedule.html", context)
    referral.remember(request, response)
    return response


def _of_person(request: HttpRequest) -> dict[str, object]:
    if not isinstance(request.user, Person):
        return {"seated": frozenset(), "current": None}
    seats = Seat.objects.filter(person_id=request.user.pk).values_list("webinar_id", flat=True)
    return {"seated": frozenset(seats), "current": current_webinar(request.user)}
