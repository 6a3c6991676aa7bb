"""`/account/seats/<id>/`: a person's seat, with the device they will use, the calendar, and reminders in Telegram."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.sessions import current_person
from efir.hooks.actions import ActionRefused
from efir.telegram.reachability import link_status
from efir.telegram.reminders import set_reminders
from efir.web.shortcuts import post_only, prefers_html, redirect_with_message, refused_json
from efir.webinars.labels import refusal_message
from efir.webinars.models import Device, Seat


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def seat(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Show the person's seat at the webinar."""
    own = _own_seat(request, webinar_id)
    context = {
        "webinar": own.webinar,
        "seat": own,
        "devices": Device.choices,
        "telegram": link_status(current_person(request)),
    }
    return render(request, "pages/seat.html", context)


@post_only
@capability_required(Capability.ENTER_ROOM)
def remind(request: HttpRequest, webinar_id: int) -> HttpResponseBase:
    """Switch the reminders on (`on` = `true`) or off."""
    on = request.POST.get("on") == "true"
    try:
        set_reminders(webinar_id, current_person(request), on=on)
    except ActionRefused as refused:
        if prefers_html(request):
            return redirect_with_message(request, "/account/", refusal_message(refused.code), error=True)
        return refused_json(refused)
    said = _("Напомним в Telegram.") if on else _("Напоминаний не будет.")
    return _done(request, webinar_id, said, remind=on)


@post_only
@capability_required(Capability.ENTER_ROOM)
def device(request: HttpRequest, webinar_id: int) -> HttpResponseBase:
    """Store the device on which the person plans to watch."""
    own, chosen = _own_seat(request, webinar_id), request.POST.get("device", "")
    if chosen not in Device.values:
        return JsonResponse({"error": "invalid_device", "detail": ", ".join(Device.values)}, status=400)
    Seat.objects.filter(pk=own.pk).update(device=chosen)
    return _done(request, webinar_id, _("Спасибо, запомнили."), device=chosen)


def _own_seat(request: HttpRequest, webinar_id: int) -> Seat:
    seats = Seat.objects.select_related("webinar")
    own = seats.filter(webinar_id=webinar_id, person=current_person(request)).first()
    if own is None:
        raise Http404
    return own


def _done(request: HttpRequest, webinar_id: int, said: str, **state: object) -> HttpResponse:
    if prefers_html(request):
        return redirect_with_message(request, f"/account/seats/{webinar_id}/", said)
    return JsonResponse({"webinar_id": webinar_id, **state})
