"""The speaker's buttons. Each checks its capability and calls Core; nothing here decides or writes."""

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
    """scheduled → live."""
    webinar = core.core_webinar_set_status(webinar_id, "start", request_context(request))
    return ActionResult(_("Эфир идёт."), state_summary(webinar))


@action_endpoint(Capability.MANAGE_STATUS)
def stop(request: HttpRequest, webinar_id: int) -> ActionResult:
    """live or paused → finished."""
    webinar = core.core_webinar_set_status(webinar_id, "stop", request_context(request))
    return ActionResult(
        _("Вебинар завершён. Скоро здесь появится, кто был до конца."), state_summary(webinar)
    )


@action_endpoint(Capability.MANAGE_CTA)
def cta(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Show or hide the room's call-to-action."""
    visible = parse_bool(request, "visible")
    webinar = core.core_webinar_set_cta_visibility(webinar_id, visible, request_context(request))
    sentence = _("Кнопка «Связаться…» показана зрителям.") if visible else _("Кнопка «Связаться…» скрыта.")
    return ActionResult(sentence, state_summary(webinar))


@action_endpoint(Capability.EDIT_WEBINAR)
def publish(request: HttpRequest, webinar_id: int) -> ActionResult:
    """draft → scheduled."""
    webinar = core.publish(webinar_id, request_context(request))
    sentence = _("Вебинар опубликован: он в расписании.")
    return ActionResult(sentence, state_summary(webinar), warning=past_start_warning(webinar))


@action_endpoint(Capability.EDIT_WEBINAR)
def copy(request: HttpRequest, webinar_id: int) -> ActionResult:
    """A draft like this webinar."""
    webinar = core.copy(webinar_id, request_context(request))
    sentence = _("Черновик создан по образцу. Осталось назначить время.")
    return ActionResult(sentence, state_summary(webinar), shown=webinar.pk)


@action_endpoint(Capability.EDIT_WEBINAR)
def withdraw(request: HttpRequest, webinar_id: int) -> ActionResult:
    """It will not take place; or it will after all."""
    withdrawn = parse_bool(request, "withdrawn")
    webinar = core.update(webinar_id, {"withdrawn": withdrawn}, request_context(request))
    sentence = (
        _("Вебинар отменён, в расписании это видно.") if withdrawn else _("Вебинар снова в расписании.")
    )
    return ActionResult(sentence, state_summary(webinar))


@action_endpoint(Capability.PUBLISH_RECORDING, show=recording_form_page)
def recording(request: HttpRequest, webinar_id: int) -> ActionResult:
    """Those who wait for the recording get it."""
    form = RecordingForm(request.POST)
    if not form.is_valid():
        raise BadRequest("invalid_url", str(form.errors["url"][0]))
    webinar = core.publish_recording(webinar_id, form.cleaned_data["url"], request_context(request))
    return ActionResult(
        _("Запись опубликована."), state_summary(webinar) | {"recording_url": webinar.recording_url}
    )
