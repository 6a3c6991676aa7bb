"""Count Django's responses by the pattern of their address."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from efir.lib import metrics

# In the scope of a request that the edge makes to fill its cache; it counts the visitors' requests itself.
TO_KEEP = "efir.to_keep"


@sync_and_async_middleware
def request_metrics(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Count each response; the outermost middleware, so that it sees the response that is sent."""
    if iscoroutinefunction(get_response):

        async def count_async(request: HttpRequest) -> HttpResponseBase:
            return _count(request, await get_response(request))

        return count_async

    def count(request: HttpRequest) -> HttpResponseBase:
        return _count(request, get_response(request))

    return count


def _count(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if not getattr(request, "scope", {}).get(TO_KEEP):
        match = request.resolver_match  # None if no pattern fits
        metrics.count_request(match.route if match else "unknown", response.status_code)
    return response
