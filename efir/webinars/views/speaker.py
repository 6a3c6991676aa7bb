"""`/admin_webinar/`: the speaker's page."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts.capabilities import Capability, can, capability_required
from efir.hooks.actions import Code, Refused
from efir.web import back_with, prefers_html, refused_json
from efir.webinars import core
from efir.webinars.controls import acting, page_of
from efir.webinars.forms import WebinarForm
from efir.webinars.models import GUARDED, Webinar
from efir.webinars.panel import panel_of
from efir.webinars.words import refusal_words

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
def webinars(request: HttpRequest) -> HttpResponse:
    """Every webinar, the latest first."""
    page = Paginator(Webinar.objects.order_by("-starts_at", "-pk"), ON_A_PAGE).get_page(
        request.GET.get("page")
    )
    return render(request, "webinars/speaker_list.html", {"page": page})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.EDIT_WEBINAR)
def new(request: HttpRequest) -> HttpResponse:
    """A new draft."""
    form = _form(request, None)
    if form.is_bound and form.is_valid():
        try:
            webinar = core.create(form.changes(), acting(request))
        except Refused as refused:
            return _refused(request, refused, None)
        return back_with(
            request, page_of(webinar.pk), _("Черновик создан. Опубликуйте его, когда будет готов.")
        )
    return _page(request, None, form)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.EDIT_WEBINAR)
def one(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """One webinar: its fields, its controls, and what came of it. POST saves the fields."""
    webinar = Webinar.objects.filter(pk=webinar_id).first()
    if webinar is None:
        raise Http404
    form = _form(request, webinar)
    if form.is_bound and form.is_valid():
        try:
            _save(request, webinar, form)
        except Refused as refused:
            return _refused(request, refused, webinar)
        return back_with(request, page_of(webinar.pk), _("Сохранено."))
    return _page(request, webinar, form)


def _form(request: HttpRequest, webinar: Webinar | None) -> WebinarForm:
    data = request.POST if request.method == "POST" else None
    return WebinarForm(data, webinar, technical=can(request.user, Capability.EDIT_TECHNICAL))


def _save(request: HttpRequest, webinar: Webinar, form: WebinarForm) -> None:
    if GUARDED & set(request.POST):
        raise Refused(Code.MUTATION_FORBIDDEN, "the buttons change the status, the form does not")
    core.edit(webinar.pk, form.changes(), acting(request))


def _page(
    request: HttpRequest, webinar: Webinar | None, form: WebinarForm, *, status: int = 200, error: str = ""
) -> HttpResponse:
    context: dict[str, Any] = {"webinar": webinar, "form": form, "zones": TIME_ZONES, "error": error}
    if webinar:
        context["panel"] = panel_of(webinar)
    if form.is_bound and not form.is_valid():
        if not prefers_html(request):
            return JsonResponse({"error": "invalid", "fields": form.errors.get_json_data()}, status=400)
        status = 400
    return render(request, "webinars/speaker.html", context, status=status)


def _refused(request: HttpRequest, refused: Refused, webinar: Webinar | None) -> HttpResponse:
    if not prefers_html(request):
        return refused_json(refused)
    if refused.code is Code.FORBIDDEN:
        raise PermissionDenied
    form = WebinarForm(None, webinar, technical=can(request.user, Capability.EDIT_TECHNICAL))
    return _page(request, webinar, form, status=409, error=refusal_words(refused.code))
