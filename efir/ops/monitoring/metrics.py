"""`/metrics` for Prometheus: not for the public, and to everybody else it is not there at all."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from efir.ops.monitoring.collectors import Gauges

_gauges = CollectorRegistry(auto_describe=False)
_gauges.register(Gauges())
# A proxy adds one of these; then the neighbour who asks is the proxy, on behalf of anybody.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """What this process counted, and how the installation is. Raises Http404 for whoever may not see it."""
    if not may_see(request):
        raise Http404
    return HttpResponse(
        generate_latest(REGISTRY) + generate_latest(_gauges), content_type=CONTENT_TYPE_LATEST
    )


def may_see(request: HttpRequest) -> bool:
    """Whether the request carries `EFIR_METRICS_TOKEN`; where none is set, whether this machine itself asks."""
    token: str = settings.EFIR.metrics_token
    if token:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    if any(name in request.headers for name in FORWARDED):
        return False
    named = urlsplit(f"//{request.get_host()}").hostname or ""
    return _is_loopback(request.META.get("REMOTE_ADDR", "")) and (named == "localhost" or _is_loopback(named))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
