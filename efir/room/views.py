"""Who is in the room. The page is in `efir.pages.room`, the stream beside Django in `efir.room.sse`."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, can, capability_required
from efir.accounts.models import Person
from efir.accounts.sessions import current_person
from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.room import presence_store
from efir.room.hub import ALIVE_WITHIN, rooms
from efir.webinars.endpoint import ActionResult, control
from efir.webinars.models import Webinar
from efir.webinars.selectors import visible_webinar

ON_A_PAGE = 50


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def people(request: HttpRequest, webinar_id: int) -> JsonResponse:
    """Who is in the room: names and roles, never contacts; a page at a time.

    `?page=` beyond the last gives the last, and what is no number the first, as on the other pages.
    """
    webinar = _visible(current_person(request), webinar_id)
    present = presence_store.present_person_ids(webinar.pk, clock.now() - ALIVE_WITHIN)
    page = Paginator(present, ON_A_PAGE).get_page(request.GET.get("page"))
    ids = list(page)
    named = Person.objects.select_related("membership__group").in_bulk(ids)
    return JsonResponse(
        {
            "people": [{"name": named[pk].name, "role": named[pk].role_label} for pk in ids],
            "total": page.paginator.count,
            "page": page.number,
            "pages": page.paginator.num_pages,
        }
    )


@control(Capability.MANAGE_STATUS)
def here(request: HttpRequest, webinar_id: int) -> ActionResult:
    """The speaker's page says every minute that it is open: a webinar somebody looks at is not a forgotten one."""
    if not Webinar.objects.filter(pk=webinar_id).exists():
        raise ActionRefused(Code.NOT_FOUND, "no such webinar")
    if live := rooms():
        live.attend(webinar_id)
    return ActionResult("", {"webinar_id": webinar_id})


def viewers_of(webinar: Webinar) -> int:
    """How many people are in the room, as this process sees it."""
    live = rooms()
    return live.count(webinar.pk) if live else 0


def _visible(person: Person, webinar_id: int) -> Webinar:
    webinar = visible_webinar(webinar_id, drafts=can(person, Capability.EDIT_WEBINAR))
    if webinar is None:
        raise Http404
    return webinar
