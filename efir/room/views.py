"""The room's page, and who is in it. The stream is beside Django, in `efir.room.sse`."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, can, capability_required
from efir.accounts.labels import role_label
from efir.accounts.models import Person
from efir.accounts.sessions import person_of
from efir.hooks.actions import Code, Refused
from efir.lib import clock
from efir.room import presence_store
from efir.room.hub import ALIVE_WITHIN, rooms
from efir.room.state import state_of
from efir.web.shortcuts import tells_time
from efir.webinars.endpoint import Done, control
from efir.webinars.models import Webinar
from efir.webinars.schedule import Programme, seats_of
from efir.webinars.selectors import visible_webinar

ON_A_PAGE = 50


@never_cache
@require_safe
@tells_time
@capability_required(Capability.ENTER_ROOM)
def room(request: HttpRequest, webinar_id: int | None = None) -> HttpResponse:
    """The room of one webinar, or of the current one. What the page shows at once is true without its script."""
    person = person_of(request)
    webinar = _current(person) if webinar_id is None else _visible(person, webinar_id)
    state = state_of(webinar, viewers_of(webinar)) if webinar else None
    context = {"webinar": webinar, "screen": screen_of(webinar), "state": state, "after": _after(webinar)}
    return render(request, "room/room.html", context)


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def people(request: HttpRequest, webinar_id: int) -> JsonResponse:
    """Who is in the room: names and roles, never contacts; a page at a time.

    `?page=` beyond the last gives the last, and what is no number the first, as on the other pages.
    """
    webinar = _visible(person_of(request), webinar_id)
    present = presence_store.present(webinar.pk, clock.now() - ALIVE_WITHIN)
    page = Paginator(present, ON_A_PAGE).get_page(request.GET.get("page"))
    ids = list(page)
    named = Person.objects.select_related("membership__group").in_bulk(ids)
    return JsonResponse(
        {
            "people": [{"name": named[pk].name, "role": role_label(named[pk].role)} for pk in ids],
            "total": page.paginator.count,
            "page": page.number,
            "pages": page.paginator.num_pages,
        }
    )


@control(Capability.MANAGE_STATUS)
def here(request: HttpRequest, webinar_id: int) -> Done:
    """The speaker's page says every minute that it is open: a webinar somebody looks at is not a forgotten one."""
    if not Webinar.objects.filter(pk=webinar_id).exists():
        raise Refused(Code.NOT_FOUND, "no such webinar")
    if live := rooms():
        live.attend(webinar_id)
    return Done("", {"webinar_id": webinar_id})


def viewers_of(webinar: Webinar) -> int:
    """How many people are in the room, as this process sees it."""
    live = rooms()
    return live.count(webinar.pk) if live else 0


def screen_of(webinar: Webinar | None) -> str:
    """Which of the page's screens is shown."""
    if webinar is None:
        return "none"
    if webinar.withdrawn and webinar.status == "scheduled":
        return "withdrawn"
    return {"draft": "scheduled"}.get(webinar.status, webinar.status)


def _current(person: Person) -> Webinar | None:
    return Programme.read().current(seats_of(person.pk))


def _after(webinar: Webinar | None) -> Webinar | None:
    """Where to go from this one: another that is on air, else the next one."""
    programme = Programme.read()
    others = (*programme.on_air, *programme.upcoming)
    return next((each for each in others if each != webinar and not each.withdrawn), None)


def _visible(person: Person, webinar_id: int) -> Webinar:
    webinar = visible_webinar(webinar_id, drafts=can(person, Capability.EDIT_WEBINAR))
    if webinar is None:
        raise Http404
    return webinar
