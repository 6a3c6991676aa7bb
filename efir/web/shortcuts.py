"""What every endpoint shares: one address form for ids, and one answer for programs and one for people."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock, ids

View: TypeAlias = Callable[..., HttpResponseBase]

_STATUS = {Code.NOT_FOUND: 404, Code.FORBIDDEN: 403, Code.INCOMPLETE: 409}


class IdConverter:
    """An id in an address."""

    regex = ids.PATTERN

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


def prefers_html(request: HttpRequest) -> bool:
    """Whether a person's browser asks; programs get JSON unless they say otherwise."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def html_405(view: View) -> View:
    """A browser that comes with a method that `view` refuses gets a page; a program gets an empty 405."""

    @wraps(view)
    def showing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, *args, **kwargs)
        if answer.status_code != 405 or not prefers_html(request):
            return answer
        page = render(request, "405.html", status=405)
        page["Allow"] = answer["Allow"]
        return page

    return showing


def server_timing() -> tuple[bytes, bytes]:
    """The header that tells a page the server's clock, in milliseconds: the page itself may be kept and older."""
    return b"server-timing", b"clock;dur=%d" % (clock.now().timestamp() * 1000)


def with_server_time(view: View) -> View:
    """The page counts by the server's clock."""

    @wraps(view)
    def telling(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        name, value = server_timing()
        response[name.decode()] = value.decode()
        return response

    return telling


def post_only(view: View) -> View:
    """What only forms and programs call."""
    return html_405(require_POST(view))


def refused_json(refused: ActionRefused, **more: Any) -> JsonResponse:
    """A refusal for a program: 403, 404 or 409 with the contract's code."""
    body = {"error": refused.code.value, "detail": refused.detail, **more}
    return JsonResponse(body, status=_STATUS.get(refused.code, 409))


def redirect_with_message(
    request: HttpRequest, address: str, text: str, *, error: bool = False, warning: str = ""
) -> HttpResponse:
    """Send a person back to `address` with a sentence about what happened, and one about what looks wrong."""
    (messages.error if error else messages.success)(request, text)
    if warning:
        messages.warning(request, warning)
    return redirect(address)


def safe_next(request: HttpRequest, default: str) -> str:
    """The address of this site that the request wants to go on to."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return default
