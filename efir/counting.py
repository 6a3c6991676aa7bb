"""Counts what Django answers, by the pattern of its address."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from efir import metrics


class CountingMiddleware(MiddlewareMixin):
    """The outermost middleware: it sees the answer that goes out."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Count it; an address that leads nowhere has no pattern."""
        match = request.resolver_match
        metrics.answered(match.route if match else "unknown", response.status_code)
        return response
