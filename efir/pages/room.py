"""`/account/webinar_room/`: the room's page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.models import Person
from efir.accounts.sessions import current_person
from efir.room.state import state_of
from efir.room.views import viewer_count, visible_or_404
from efir.web.shortcuts import with_server_time
from efir.webinars.models import Webinar
from efir.webinars.schedule import Schedule, seats_of


@never_cache
@require_safe
@with_server_time
@capability_required(Capability.ENTER_ROOM)
def room(request: HttpRequest, webinar_id: int | None = None) -> HttpResponse:
    """The room of one webinar, or of the current one. What the page shows at once is true without its script."""
    person = current_person(request)
    webinar = _current(person) if webinar_id is None else visible_or_404(person, webinar_id)
    state = state_of(webinar, viewer_count(webinar)) if webinar else None
    context = {"webinar": webinar, "screen": screen_of(webinar), "state": state, "after": _after(webinar)}
    return render(request, "pages/room.html", context)


def screen_of(webinar: Webinar | None) -> str:
    """Which of the page's screens is shown."""
    if webinar is None:
        return "none"
    if webinar.withdrawn and webinar.status == "scheduled":
        return "withdrawn"
    return {"draft": "scheduled"}.get(webinar.status, webinar.status)


def _current(person: Person) -> Webinar | None:
    return Schedule.read().current(seats_of(person.pk))


def _after(webinar: Webinar | None) -> Webinar | None:
    """Where to go from this one: another that is on air, else the next one."""
    programme = Schedule.read()
    others = (*programme.on_air, *programme.upcoming)
    return next((each for each in others if each != webinar and not each.withdrawn), None)
