"""The page for a failed request, and the 503 while the database is away, full, busy or read-only."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from efir.lib.postgresql.errors import is_read_only
from efir.web.shortcuts import prefers_html

# A busy or restarting database is usually available by then.
RETRY_AFTER_S = 10


def server_error(request: HttpRequest) -> HttpResponse:
    """Handle an exception (Django's `handler500`): 503 for a database error, after which nothing was done, else 500."""
    exc = sys.exc_info()[1]
    if not isinstance(exc, OperationalError | InterfaceError) and not is_read_only(exc):
        return render(request, "500.html", status=500)
    detail = _(
        "Сервер сейчас не может записать или прочитать данные. Ничего не сделано; повторите через минуту."
    )
    if prefers_html(request):
        response = render(request, "503.html", status=503)
    else:
        response = JsonResponse({"error": "unavailable", "detail": detail}, status=503)
    response["Retry-After"] = str(RETRY_AFTER_S)
    return response
