"""`/admin_webinar/`: the speaker's list of webinars, and the page of one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts.capabilities import Capability, can, capability_required
from efir.accounts.sessions import current_person, request_context
from efir.attendance.evidence import timeline_of
from efir.attendance.labels import rule_sentences
from efir.attendance.report.panels import draw_numbers, progress_of, scale_of
from efir.attendance.report.stats import count_seats, rule_of
from efir.attendance.report.verdict_list import held_by_webinar, list_verdicts
from efir.broadcast.stream_keys import encoder_of
from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.lib.pagination import KeyPaginator
from efir.pages.own_recording import own_recording_of
from efir.talk.queue import has_queue, queue_of
from efir.telegram.message_list import list_messages
from efir.telegram.reachability import reachability_of
from efir.web.shortcuts import prefers_html, redirect_with_message, refused_json
from efir.webinars import core
from efir.webinars.available_actions import available_actions
from efir.webinars.endpoint import BadRequest, speaker_page_path
from efir.webinars.forms import RecordingForm, WebinarForm
from efir.webinars.labels import past_start_warning, refusal_message, zone_label
from efir.webinars.lifecycle import Status
from efir.webinars.models import PROTECTED_FIELDS, Webinar
from efir.webinars.selectors import for_speaker

ON_A_PAGE = 30
# Webinars with held verdicts that are named above the list.
HELD_SHOWN = 10
# Held verdicts of webinars that ended longer ago are folded.
HELD_RECENT = timedelta(days=14)


@never_cache
@require_safe
@capability_required(Capability.EDIT_WEBINAR)
def webinar_list(request: HttpRequest) -> HttpResponse:
    """Show all webinars: on air, upcoming, and past."""
    page = KeyPaginator(for_speaker(), ON_A_PAGE, for_speaker()).get_page(request.GET.get("page"))
    return render(request, "pages/speaker_list.html", {"page": page, "held": _held_verdicts()})


def _held_verdicts() -> dict[str, Any] | None:
    """Return the webinars with held verdicts: those of the last days, the older ones, and how many are not named."""
    waiting = list(held_by_webinar())
    if not waiting:
        return None
    shown, long_ago = waiting[:HELD_SHOWN], clock.now() - HELD_RECENT
    recent = [webinar for webinar in shown if webinar["webinar__finished_at"] > long_ago]
    return {"recent": recent, "old": shown[len(recent) :], "more": len(waiting) - HELD_SHOWN}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.EDIT_WEBINAR)
def new_webinar(request: HttpRequest) -> HttpResponse:
    """Show an empty form; POST creates a draft."""
    return _form_view(request, None)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.EDIT_WEBINAR)
def webinar_page(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """Show one webinar with its fields, its controls and its results; POST saves the fields."""
    return _form_view(request, get_object_or_404(Webinar, pk=webinar_id))


def _form_view(request: HttpRequest, webinar: Webinar | None) -> HttpResponse:
    technical = can(request.user, Capability.EDIT_TECHNICAL)
    if request.method != "POST":
        name = current_person(request).name
        form = WebinarForm(None, None, webinar, technical=technical, speaker_name=name)
        return _page(request, webinar, form)
    form = WebinarForm(request.POST, request.FILES, webinar, technical=technical)
    if not form.is_valid():
        if not prefers_html(request):
            return JsonResponse({"error": "invalid", "fields": form.errors.get_json_data()}, status=400)
        return _page(request, webinar, form, status=400)
    try:
        if webinar is None:
            saved = core.create(form.changes(), request_context(request))
        elif PROTECTED_FIELDS & set(request.POST):
            raise ActionRefused(Code.MUTATION_FORBIDDEN, "the buttons change the status, the form does not")
        else:
            saved = core.update(webinar.pk, form.changes(), request_context(request))
    except ActionRefused as refused:
        if not prefers_html(request):
            return refused_json(refused)
        if refused.code is Code.FORBIDDEN:
            raise PermissionDenied from refused
        form = WebinarForm(None, None, webinar, technical=technical)
        return _page(request, webinar, form, status=409, error=refusal_message(refused.code))
    message = _("Сохранено.") if webinar else _("Черновик создан. Опубликуйте его, когда будет готов.")
    path = speaker_page_path(saved.pk)
    return redirect_with_message(request, path, message, warning=past_start_warning(saved))


def recording_form_page(request: HttpRequest, webinar_id: int, bad: BadRequest) -> HttpResponse:
    """Show the page again with what was typed as the recording's address."""
    webinar = get_object_or_404(Webinar, pk=webinar_id)
    form = WebinarForm(None, None, webinar, technical=can(request.user, Capability.EDIT_TECHNICAL))
    recording = RecordingForm(request.POST)
    return _page(request, webinar, form, status=400, error=bad.message, recording=recording)


def _page(
    request: HttpRequest, webinar: Webinar | None, form: WebinarForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context: dict[str, Any] = {"webinar": webinar, "form": form}
    if webinar:
        context |= _webinar_context(request, webinar)
    return render(request, "pages/speaker.html", context | more, status=status)


def _webinar_context(request: HttpRequest, webinar: Webinar) -> dict[str, Any]:
    """Return the context for an existing webinar: its controls, and its results so far."""
    context: dict[str, Any] = {
        "actions": available_actions(webinar),
        "recording": RecordingForm(initial={"url": webinar.recording_url}),
        "own_recording": own_recording_of(webinar),
    }
    if can(request.user, Capability.BROADCAST):
        context["encoder"] = encoder_of(webinar)
    if webinar.started_at:
        timeline, rule = timeline_of(webinar), rule_of(webinar)
        context["timeline"] = timeline
        if timeline:
            context |= {
                "numbers": draw_numbers(webinar, timeline, rule),
                "scale": scale_of(timeline),
                "zone_label": zone_label(timeline.start, timeline.zone),
            }
    if webinar.finished_at:
        verdicts = list_verdicts(webinar, request.GET)
        context |= {
            "verdicts": verdicts,
            "classification": progress_of(webinar, verdicts.counts[""]),
            "rule": rule_sentences(rule),
        }
    if can(request.user, Capability.MODERATE_TALK) and has_queue(webinar):
        context["queue"] = queue_of(webinar, request.GET)
    if can(request.user, Capability.SEE_DELIVERIES):
        if webinar.finished_at:
            context["message_list"] = list_messages(webinar, request.GET)
        elif webinar.state is not Status.DRAFT:
            context["reachability"] = reachability_of(webinar)
    if webinar.state is Status.SCHEDULED:
        _, context["devices"] = count_seats(webinar)
    return context
