"""Counts what Django answers, by the pattern of its address."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from efir.lib import metrics

# In the scope of a request that is made only to keep its answer: whoever is answered with that is counted.
TO_KEEP = "efir.to_keep"


@sync_and_async_middleware
def counting(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The outermost middleware: it sees the answer that goes out."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponseBase:
            return _counted(request, await get_response(request))

        return later

    def now(request: HttpRequest) -> HttpResponseBase:
        return _counted(request, get_response(request))

    return now


def _counted(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """An address that leads nowhere has no pattern."""
    if not getattr(request, "scope", {}).get(TO_KEEP):
        match = request.resolver_match
        metrics.answered(match.route if match else "unknown", response.status_code)
    return response
