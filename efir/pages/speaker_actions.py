"""The speaker's buttons: each checks its capability and calls Core, which decides and writes."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _

from efir.accounts.capabilities import Capability
from efir.accounts.sessions import request_context
from efir.pages.speaker import recording_form_page
from efir.webinars import core
from efir.webinars.endpoint import ActionResult, BadRequest, action_endpoint, parse_bool, state_summary
from efir.webinars.forms import RecordingForm
from efir.webinars.labels import past_start_warning


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


@action_endpoint(Capability.EDIT_WEBINAR)
def withdraw(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Cancel a scheduled webinar, or put it back into the schedule."""
    withdrawn = parse_bool(request, "withdrawn")
    webinar = core.update(webinar_id, {"withdrawn": withdrawn}, request_context(request))
    message = _("Вебинар отменён, в расписании это видно.") if withdrawn else _("Вебинар снова в расписании.")
    return ActionResult(message, state_summary(webinar))


@action_endpoint(Capability.PUBLISH_RECORDING, form_page=recording_form_page)
def recording(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Publish the recording: the people who wait for it get it."""
    form = RecordingForm(request.POST)
    if not form.is_valid():
        raise BadRequest("invalid_url", str(form.errors["url"][0]))
    webinar = core.publish_recording(webinar_id, form.cleaned_data["url"], request_context(request))
    body = state_summary(webinar) | {"recording_url": webinar.recording_url}
    return ActionResult(_("Запись опубликована."), body)
