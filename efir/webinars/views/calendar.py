"""`/webinars/calendar.ics` and `/webinars/<id>/calendar.ics`: webinars for somebody's own calendar."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from efir.webinars.ical import render_calendar
from efir.webinars.selectors import for_calendar, visible_webinar


@require_safe
def calendar_feed(request: HttpRequest) -> HttpResponseBase:
    """Every webinar that is ahead, on air, or was lately: to subscribe to."""
    with translation.override(_language(request)):
        return _file(request, render_calendar(for_calendar(), name=_("Вебинары")), "webinars")


@require_safe
def webinar_calendar(request: HttpRequest, webinar_id: int) -> HttpResponseBase:
    """One webinar."""
    webinar = visible_webinar(webinar_id, drafts=False)
    if webinar is None:
        raise Http404
    with translation.override(_language(request)):
        return _file(request, render_calendar([webinar]), f"webinar-{webinar.pk}")


def _language(request: HttpRequest) -> str:
    asked = request.GET.get("lang", "")
    return asked if asked in dict(settings.LANGUAGES) else translation.get_language()


def _file(request: HttpRequest, content: bytes, name: str) -> HttpResponseBase:
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {
        "ETag": etag,
        # A calendar asks each time, and is told where nothing has changed.
        "Cache-Control": "no-cache",
        "Vary": "Cookie",
        "Content-Disposition": f'inline; filename="{name}.ics"',
    }
    file = HttpResponse(content, content_type="text/calendar; charset=utf-8", headers=headers)
    return get_conditional_response(request, etag, response=file) or file
