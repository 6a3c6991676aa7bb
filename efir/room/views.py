"""The people in the room, opening the broadcast, the call-to-action, and the speaker page's heartbeat.

The room's page is in `efir.pages.room`, its event stream in `efir.room.sse`.
"""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts.capabilities import Capability, can, capability_required, require
from efir.accounts.models import Person
from efir.accounts.sessions import current_person
from efir.hooks.actions import ActionRefused, Code
from efir.room import presence_store
from efir.room.cta import record_press
from efir.room.hub import current_hub
from efir.room.openings import open_broadcast
from efir.room.playback import count_without_picture, record_playback
from efir.room.state import player_of
from efir.web.shortcuts import post_only, refused_json
from efir.webinars.endpoint import ActionResult, BadRequest, action_endpoint, parse_bool
from efir.webinars.models import Webinar
from efir.webinars.selectors import visible_webinar

PAGE_SIZE = 50
CONTACTS = "/account/contacts/"


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def people(request: HttpRequest, webinar_id: int) -> JsonResponse:
    """Return a page of the people in the room: names and roles, never contacts.

    `?page=` beyond the last page gives the last one, and anything but a number the first, as on the other pages.
    """
    webinar = visible_or_404(current_person(request), webinar_id)
    present = presence_store.present_person_ids(webinar.pk)
    page = Paginator(present, PAGE_SIZE).get_page(request.GET.get("page"))
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


@never_cache
@post_only
def watch(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Open the broadcast: return the player, and record the first opening. JSON only, because the script asks."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "login_required"}, status=401)
    try:
        webinar = open_broadcast(webinar_id, current_person(request))
    except ActionRefused as refused:
        return refused_json(refused)
    return JsonResponse(player_of(webinar))


@never_cache
@post_only
def press_cta(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Record a press of the room's call-to-action, and redirect to the contacts, even while it is not shown."""
    if not request.user.is_authenticated:
        return redirect_to_login(CONTACTS)
    person = current_person(request)
    require(person, Capability.ENTER_ROOM)
    record_press(visible_or_404(person, webinar_id), person)
    return HttpResponse(status=303, headers={"Location": CONTACTS})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def playback(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """POST `playing=true|false`: a viewer's page reports whether it plays.

    GET: the number of viewers without a picture.
    """
    if not request.user.is_authenticated:
        return JsonResponse({"error": "login_required"}, status=401)
    person = current_person(request)
    needed = Capability.ENTER_ROOM if request.method == "POST" else Capability.MANAGE_STATUS
    if not can(person, needed):
        return JsonResponse({"error": Code.FORBIDDEN}, status=403)
    webinar = visible_or_404(person, webinar_id)
    if request.method != "POST":
        return JsonResponse({"without_picture": count_without_picture(webinar)})
    try:
        record_playback(webinar, person, playing=parse_bool(request, "playing"))
    except BadRequest as bad:
        return JsonResponse({"error": bad.code}, status=400)
    return HttpResponse(status=204)


@action_endpoint(Capability.MANAGE_STATUS)
def here(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Record that the speaker's page is open, as it reports every minute. An open page prevents the auto-stop."""
    if not Webinar.objects.filter(pk=webinar_id).exists():
        raise ActionRefused(Code.NOT_FOUND, "no such webinar")
    if hub := current_hub():
        hub.mark_speaker_active(webinar_id)
    return ActionResult("", {"webinar_id": webinar_id})


def viewer_count(webinar: Webinar) -> int:
    """Return the number of people in the room as this process knows it; 0 if it serves no rooms."""
    hub = current_hub()
    return hub.count(webinar.pk) if hub else 0


def visible_or_404(person: Person, webinar_id: int) -> Webinar:
    """Return the webinar; raise Http404 if it does not exist or is a draft that the person may not see."""
    webinar = visible_webinar(webinar_id, drafts=can(person, Capability.EDIT_WEBINAR))
    if webinar is None:
        raise Http404
    return webinar
