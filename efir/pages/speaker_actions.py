"""The speaker's buttons. Each checks its capability and calls Core; nothing here decides or writes."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _

from efir.accounts.capabilities import Capability
from efir.pages.speaker import wrong_recording
from efir.webinars import core
from efir.webinars.endpoint import Done, Invalid, acting, asked_for, control, short_state
from efir.webinars.forms import RecordingForm
from efir.webinars.labels import past_start_words


@control(Capability.MANAGE_STATUS)
def start(request: HttpRequest, webinar_id: int) -> Done:
    """scheduled → live."""
    webinar = core.core_webinar_set_status(webinar_id, "start", acting(request))
    return Done(_("Эфир идёт."), short_state(webinar))


@control(Capability.MANAGE_STATUS)
def stop(request: HttpRequest, webinar_id: int) -> Done:
    """live or paused → finished."""
    webinar = core.core_webinar_set_status(webinar_id, "stop", acting(request))
    return Done(_("Вебинар завершён. Скоро здесь появится, кто был до конца."), short_state(webinar))


@control(Capability.MANAGE_CTA)
def cta(request: HttpRequest, webinar_id: int) -> Done:
    """Show or hide the room's call-to-action."""
    visible = asked_for(request, "visible")
    webinar = core.core_webinar_set_cta_visibility(webinar_id, visible, acting(request))
    sentence = _("Кнопка «Связаться…» показана зрителям.") if visible else _("Кнопка «Связаться…» скрыта.")
    return Done(sentence, short_state(webinar))


@control(Capability.EDIT_WEBINAR)
def publish(request: HttpRequest, webinar_id: int) -> Done:
    """draft → scheduled."""
    webinar = core.publish(webinar_id, acting(request))
    sentence = _("Вебинар опубликован: он в расписании.")
    return Done(sentence, short_state(webinar), warning=past_start_words(webinar))


@control(Capability.EDIT_WEBINAR)
def copy(request: HttpRequest, webinar_id: int) -> Done:
    """A draft like this webinar."""
    webinar = core.copy(webinar_id, acting(request))
    sentence = _("Черновик создан по образцу. Осталось назначить время.")
    return Done(sentence, short_state(webinar), shown=webinar.pk)


@control(Capability.EDIT_WEBINAR)
def withdraw(request: HttpRequest, webinar_id: int) -> Done:
    """It will not take place; or it will after all."""
    withdrawn = asked_for(request, "withdrawn")
    webinar = core.edit(webinar_id, {"withdrawn": withdrawn}, acting(request))
    sentence = (
        _("Вебинар отменён, в расписании это видно.") if withdrawn else _("Вебинар снова в расписании.")
    )
    return Done(sentence, short_state(webinar))


@control(Capability.PUBLISH_RECORDING, show=wrong_recording)
def recording(request: HttpRequest, webinar_id: int) -> Done:
    """Those who wait for the recording get it."""
    form = RecordingForm(request.POST)
    if not form.is_valid():
        raise Invalid("invalid_url", str(form.errors["url"][0]))
    webinar = core.publish_recording(webinar_id, form.cleaned_data["url"], acting(request))
    return Done(_("Запись опубликована."), short_state(webinar) | {"recording_url": webinar.recording_url})
