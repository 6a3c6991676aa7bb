"""Decide a held verdict, and download verdicts and presence as files."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.sessions import current_person, request_context
from efir.attendance.classifier import resolve_verdict
from efir.attendance.report.csv_export import Export, file_name, stream
from efir.attendance.report.verdict_list import ANCHOR
from efir.audit.actions import Action
from efir.audit.log import record
from efir.lib.filters import update_query
from efir.webinars.endpoint import ActionResult, action_endpoint, parse_bool
from efir.webinars.models import Webinar

log = structlog.get_logger(__name__)


@action_endpoint(Capability.DECIDE_VERDICT)
def decide_verdict(request: HttpRequest, webinar_id: int, lead_id: int) -> ActionResult:
    """Decide a held verdict. Idempotent: a verdict that has been decided stays as it is."""
    verdict = resolve_verdict(webinar_id, lead_id, parse_bool(request, "attended"), request_context(request))
    body = {
        "webinar_id": webinar_id,
        "lead_id": lead_id,
        "attended": verdict.attended,
        "reason": verdict.reason,
        "rule": verdict.rule,
    }
    return ActionResult(_("Решено."), body, suffix=update_query(request.GET) + ANCHOR)


@never_cache
@require_safe
@capability_required(Capability.EDIT_WEBINAR)
def download(
    request: HttpRequest, webinar_id: int, export_of: Callable[[Webinar], Export]
) -> HttpResponse | StreamingHttpResponse:
    """Download an export of the webinar; for those who see its data on the speaker's page."""
    return _download(request, webinar_id, export_of)


@never_cache
@require_safe
@capability_required(Capability.MODERATE_TALK)
def download_talk(
    request: HttpRequest, webinar_id: int, export_of: Callable[[Webinar], Export]
) -> HttpResponse | StreamingHttpResponse:
    """Download what was written in the room, with what is held or hidden."""
    return _download(request, webinar_id, export_of)


def _download(
    request: HttpRequest, webinar_id: int, export_of: Callable[[Webinar], Export]
) -> HttpResponse | StreamingHttpResponse:
    webinar = get_object_or_404(Webinar, pk=webinar_id)
    export = export_of(webinar)
    name = file_name(export.title, webinar)
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
    }
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    with transaction.atomic():
        record(Action.TABLE_EXPORTED, request_context(request), webinar_id=webinar.pk, table=export.name)
    log.info("exported", what=export.name, webinar_id=webinar.pk, actor_id=current_person(request).pk)
    return StreamingHttpResponse(stream(export, get_language() or "ru"), headers=headers)
