"""`/admin_webinar/`: the speaker's page."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts.capabilities import Capability, can, capability_required
from efir.accounts.sessions import request_context
from efir.attendance.labels import rule_sentences
from efir.attendance.report.panels import draw_numbers, progress_of, scale_of
from efir.attendance.report.stats import rule_of
from efir.attendance.report.verdict_list import held_by_webinar, list_verdicts
from efir.attendance.timeline import timeline_of
from efir.hooks.actions import ActionRefused, Code
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
TIME_ZONES = [
    "Europe/Kaliningrad",
    "Europe/Moscow",
    "Europe/Samara",
    "Asia/Yekaterinburg",
    "Asia/Omsk",
    "Asia/Novosibirsk",
    "Asia/Krasnoyarsk",
    "Asia/Irkutsk",
    "Asia/Yakutsk",
    "Asia/Vladivostok",
    "Asia/Magadan",
    "Asia/Kamchatka",
    "Europe/Minsk",
    "Asia/Almaty",
    "Asia/Tashkent",
    "Asia/Tbilisi",
    "Asia/Yerevan",
    "Asia/Baku",
    "Asia/Bishkek",
    "Asia/Dubai",
    "Europe/Istanbul",
    "Europe/Berlin",
    "UTC",
]


@never_cache
@require_safe
@capability_required(Capability.EDIT_WEBINAR)
def webinar_list(request: HttpRequest) -> HttpResponse:
    """Every webinar: what is on air, what is ahead, what is over."""
    page = Paginator(for_speaker(), ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "pages/speaker_list.html", {"page": page, "held": held_by_webinar()})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.EDIT_WEBINAR)
def new_webinar(request: HttpRequest) -> HttpResponse:
    """A new draft."""
    form = _form(request, None)
    if form.is_bound and form.is_valid():
        try:
            webinar = core.create(form.changes(), request_context(request))
        except ActionRefused as refused:
            return _refused(request, refused, None)
        sentence = _("Черновик создан. Опубликуйте его, когда будет готов.")
        return redirect_with_message(
            request, speaker_page_path(webinar.pk), sentence, warning=past_start_warning(webinar)
        )
    return _page(request, None, form)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.EDIT_WEBINAR)
def webinar_page(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """One webinar: its fields, its controls, and what came of it. POST saves the fields."""
    webinar = Webinar.objects.filter(pk=webinar_id).first()
    if webinar is None:
        raise Http404
    form = _form(request, webinar)
    if form.is_bound and form.is_valid():
        try:
            saved = _save(request, webinar, form)
        except ActionRefused as refused:
            return _refused(request, refused, webinar)
        return redirect_with_message(
            request, speaker_page_path(webinar.pk), _("Сохранено."), warning=past_start_warning(saved)
        )
    return _page(request, webinar, form)


def _form(request: HttpRequest, webinar: Webinar | None) -> WebinarForm:
    data, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    return WebinarForm(data, files, webinar, technical=can(request.user, Capability.EDIT_TECHNICAL))


def _save(request: HttpRequest, webinar: Webinar, form: WebinarForm) -> Webinar:
    if PROTECTED_FIELDS & set(request.POST):
        raise ActionRefused(Code.MUTATION_FORBIDDEN, "the buttons change the status, the form does not")
    return core.update(webinar.pk, form.changes(), request_context(request))


def recording_form_page(request: HttpRequest, webinar_id: int, invalid: BadRequest) -> HttpResponse:
    """The page again, with what was typed as the recording's address."""
    webinar = get_object_or_404(Webinar, pk=webinar_id)
    return _again(request, webinar, 400, invalid.sentence, recording=RecordingForm(request.POST))


def _page(
    request: HttpRequest, webinar: Webinar | None, form: WebinarForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context: dict[str, Any] = {"webinar": webinar, "form": form, "zones": TIME_ZONES, **more}
    if form.is_bound and not form.is_valid():
        if not prefers_html(request):
            return JsonResponse({"error": "invalid", "fields": form.errors.get_json_data()}, status=400)
        status = 400
    if webinar:
        context |= _webinar_context(request, webinar)
        context.setdefault("recording", RecordingForm(initial={"url": webinar.recording_url}))
    return render(request, "pages/speaker.html", context, status=status)


def _webinar_context(request: HttpRequest, webinar: Webinar) -> dict[str, Any]:
    """Return what the page shows of an existing webinar: its controls, and what has come of it so far."""
    context: dict[str, Any] = {"panel": available_actions(webinar)}
    if webinar.started_at:
        timeline = timeline_of(webinar)
        context["timeline"] = timeline
        if timeline:
            context |= {
                "numbers": draw_numbers(webinar, timeline),
                "scale": scale_of(timeline),
                "zone_label": zone_label(timeline.start, timeline.zone),
            }
    if webinar.finished_at:
        verdicts = list_verdicts(webinar, request.GET)
        context |= {
            "verdicts": verdicts,
            "classification": progress_of(webinar, verdicts.counts[""]),
            "rule": rule_sentences(rule_of(webinar)),
        }
    if can(request.user, Capability.SEE_DELIVERIES):
        if webinar.finished_at:
            context["message_list"] = list_messages(webinar, request.GET)
        elif webinar.state is not Status.DRAFT:
            context["reachability"] = reachability_of(webinar)
    return context


def _refused(request: HttpRequest, refused: ActionRefused, webinar: Webinar | None) -> HttpResponse:
    if not prefers_html(request):
        return refused_json(refused)
    if refused.code is Code.FORBIDDEN:
        raise PermissionDenied
    return _again(request, webinar, 409, refusal_message(refused.code))


def _again(
    request: HttpRequest, webinar: Webinar | None, status: int, error: str, **more: Any
) -> HttpResponse:
    form = WebinarForm(None, None, webinar, technical=can(request.user, Capability.EDIT_TECHNICAL))
    return _page(request, webinar, form, status=status, error=error, **more)
