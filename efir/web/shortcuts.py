"""Shortcuts for views: ids in addresses, responses for programs and for browsers, redirects, decorators."""

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

# For content that never changes at its address, because the address contains a digest.
CACHE_FOREVER = "public, max-age=31536000, immutable"

View: TypeAlias = Callable[..., HttpResponseBase]

# All others are 409.
_STATUS = {
    Code.NOT_FOUND: 404,
    Code.MESSAGE_NOT_FOUND: 404,
    Code.PERSON_NOT_FOUND: 404,
    Code.FORBIDDEN: 403,
    Code.TALK_LINKS: 403,
    Code.TALK_TOO_FAST: 429,
    Code.TALK_BUSY: 429,
}


class IdConverter:
    """The path converter for ids."""

    regex = ids.PATTERN

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


def prefers_html(request: HttpRequest) -> bool:
    """Return whether the client is a browser; programs get JSON unless their Accept header prefers HTML."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def html_405(view: View) -> View:
    """Show a page to browsers whose method `view` refuses; programs get the empty 405."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, *args, **kwargs)
        if answer.status_code != 405 or not prefers_html(request):
            return answer
        page = render(request, "405.html", status=405)
        page["Allow"] = answer["Allow"]
        return page

    return wrapped


def server_timing() -> tuple[bytes, bytes]:
    """Return the header with the server's time in milliseconds, since the page itself may be cached and older."""
    return b"server-timing", b"clock;dur=%d" % (clock.now().timestamp() * 1000)


def with_server_time(view: View) -> View:
    """Add `server_timing` to the responses of a page that counts down by the server's clock."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        name, value = server_timing()
        response[name.decode()] = value.decode()
        return response

    return wrapped


def post_only(view: View) -> View:
    """Allow only POST."""
    return html_405(require_POST(view))


def refused_json(refused: ActionRefused, **more: Any) -> JsonResponse:
    """Return a refusal for programs: 403, 404 or 409 with the contract's code."""
    body = {"error": refused.code.value, "detail": refused.detail, **more}
    return JsonResponse(body, status=_STATUS.get(refused.code, 409))


def redirect_with_message(
    request: HttpRequest, address: str, text: str, *, error: bool = False, warning: str = ""
) -> HttpResponse:
    """Redirect to `address`, whose page shows `text` and an optional `warning`."""
    (messages.error if error else messages.success)(request, text)
    if warning:
        messages.warning(request, warning)
    return redirect(address)


def safe_next(request: HttpRequest, default: str) -> str:
    """Return the request's `next` if it is an address of this site, else `default`."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return default
