"""What a visitor is told where something failed: a fault of ours, or a database that does not take or give data now."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from efir.web.shortcuts import prefers_html

# Until a full disk, a database that starts again or one that is busy may be over.
RETRY_AFTER_S = 10


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: 503 while the database is away, full or busy, where nothing was done; else 500."""
    if not isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return render(request, "500.html", status=500)
    answer = render(request, "503.html", status=503) if prefers_html(request) else _for_programs()
    answer["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def _for_programs() -> HttpResponse:
    detail = _(
        "Сервер сейчас не может записать или прочитать данные. Ничего не сделано; повторите через минуту."
    )
    return JsonResponse({"error": "unavailable", "detail": detail}, status=503)
