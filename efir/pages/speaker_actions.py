"""The speaker's buttons: each checks its capability and calls Core, which decides and writes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from efir.accounts.capabilities import Capability, can
from efir.accounts.sessions import request_context
from efir.broadcast import recordings, stream_keys
from efir.hooks.actions import ActionRefused, Code
from efir.pages.speaker import recording_form_page
from efir.web.shortcuts import html_405, post_only, prefers_html, redirect_with_message, refused_json
from efir.webinars import core
from efir.webinars.endpoint import (
    ActionResult,
    BadRequest,
    action_endpoint,
    answer_refusal,
    parse_bool,
    speaker_page_path,
    state_summary,
)
from efir.webinars.forms import RecordingForm
from efir.webinars.labels import past_start_warning
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

DRAFT_KEPT = gettext_lazy(
    "Этот черновик остаётся: из него уже пробовали студию, или его перенесли с другого сайта. Возьмите его для "
    "следующего вебинара: всё в нём можно изменить."
)


@action_endpoint(Capability.MANAGE_STATUS)
def start(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Start the webinar."""
    webinar = core.core_webinar_set_status(webinar_id, "start", request_context(request))
    return ActionResult(_("Эфир идёт."), state_summary(webinar))


@action_endpoint(Capability.MANAGE_STATUS)
def stop(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Finish the webinar."""
    webinar = core.core_webinar_set_status(webinar_id, "stop", request_context(request))
    message = _("Вебинар завершён. Скоро здесь появится, кто был до конца.")
    return ActionResult(message, state_summary(webinar))


@action_endpoint(Capability.MANAGE_CTA)
def cta(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Show or hide the room's call-to-action."""
    visible = parse_bool(request, "visible")
    webinar = core.core_webinar_set_cta_visibility(webinar_id, visible, request_context(request))
    message = _("Кнопка «Связаться…» показана зрителям.") if visible else _("Кнопка «Связаться…» скрыта.")
    return ActionResult(message, state_summary(webinar))


@action_endpoint(Capability.EDIT_WEBINAR)
def publish(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Schedule a draft."""
    webinar = core.publish(webinar_id, request_context(request))
    message = _("Вебинар опубликован: он в расписании.")
    return ActionResult(message, state_summary(webinar), warning=past_start_warning(webinar))


@action_endpoint(Capability.EDIT_WEBINAR)
def copy(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Create a draft like this webinar, and go on to it."""
    webinar = core.copy(webinar_id, request_context(request))
    message = _("Черновик создан по образцу. Осталось назначить время.")
    return ActionResult(message, state_summary(webinar), webinar_id=webinar.pk)


@never_cache
@post_only
def delete(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Delete a draft. A browser is asked first, on a page that works without scripts."""
    try:
        if not can(request.user, Capability.EDIT_WEBINAR):
            raise ActionRefused(Code.FORBIDDEN, Capability.EDIT_WEBINAR)
        if prefers_html(request) and "confirmed" not in request.POST:
            webinar = get_object_or_404(Webinar, pk=webinar_id)
            if webinar.state is Status.DRAFT:
                return render(request, "pages/delete_draft.html", {"webinar": webinar})
        core.delete_draft(webinar_id, request_context(request))
    except ActionRefused as refused:
        is_kept = refused.code is Code.LOCKED and Webinar.objects.filter(pk=webinar_id, status=Status.DRAFT)
        if is_kept and prefers_html(request):
            return redirect_with_message(request, speaker_page_path(webinar_id), str(DRAFT_KEPT), error=True)
        return answer_refusal(request, webinar_id, refused)
    if not prefers_html(request):
        return JsonResponse({"deleted": webinar_id})
    return redirect_with_message(request, "/admin_webinar/", _("Черновик удалён."))


@action_endpoint(Capability.EDIT_WEBINAR)
def withdraw(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Cancel a scheduled webinar, or put it back into the schedule."""
    withdrawn = parse_bool(request, "withdrawn")
    webinar = core.update(webinar_id, {"withdrawn": withdrawn}, request_context(request))
    message = _("Вебинар отменён, в расписании это видно.") if withdrawn else _("Вебинар снова в расписании.")
    return ActionResult(message, state_summary(webinar))


def recording(request: HttpRequest, webinar_id: int) -> HttpResponseBase:
    """Return the state of the own recording; POST publishes it, or the address of another one."""
    if request.method in ("GET", "HEAD"):
        return _recording_state(request, webinar_id)
    return _publish_recording(request, webinar_id)


@never_cache
def _recording_state(request: HttpRequest, webinar_id: int) -> HttpResponse:
    if not can(request.user, Capability.PUBLISH_RECORDING):
        return refused_json(ActionRefused(Code.FORBIDDEN, Capability.PUBLISH_RECORDING))
    webinar = Webinar.objects.filter(pk=webinar_id).first()
    if webinar is None:
        return refused_json(ActionRefused(Code.NOT_FOUND, f"no webinar {webinar_id}"))
    return JsonResponse(recordings.summary(webinar))


@action_endpoint(Capability.PUBLISH_RECORDING, form_page=recording_form_page)
def _publish_recording(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Publish the recording, which releases the messages that wait for it."""
    if "own" in request.POST:
        if not parse_bool(request, "own"):
            raise BadRequest("invalid_own", _("Укажите true или адрес записи."))
        webinar = recordings.publish(webinar_id, request_context(request))
    else:
        form = RecordingForm(request.POST)
        if not form.is_valid():
            raise BadRequest("invalid_url", str(form.errors["url"][0]))
        webinar = core.publish_recording(webinar_id, form.cleaned_data["url"], request_context(request))
    body = state_summary(webinar) | {"recording_url": webinar.recording_url} | recordings.summary(webinar)
    return ActionResult(_("Запись опубликована."), body)


@never_cache
@html_405
@require_POST
def stream_key(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Make a new stream key and show it once: on a page, or as JSON."""
    try:
        if not can(request.user, Capability.BROADCAST):
            raise ActionRefused(Code.FORBIDDEN, Capability.BROADCAST)
        key = stream_keys.issue(webinar_id, request_context(request))
    except ActionRefused as refused:
        return answer_refusal(request, webinar_id, refused)
    address = stream_keys.encoder_address()
    if not prefers_html(request):
        return JsonResponse({"address": address, "key": key})
    context = {"webinar_id": webinar_id, "address": address, "key": key}
    return render(request, "pages/stream_key.html", context)
