"""`/metrics` for Prometheus: not for the public, to whom it answers 404."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from efir.ops.monitoring.collectors import InstallationCollector, WithDeprecatedNames

# A proxy adds at least one of these. A request with one comes from a proxy on this machine, on behalf of anybody.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return what this process counted, and the state of the installation. Raises Http404 for strangers."""
    if not may_see(request):
        raise Http404
    collectors = map(WithDeprecatedNames, (REGISTRY, InstallationCollector()))
    return HttpResponse(b"".join(map(generate_latest, collectors)), content_type=CONTENT_TYPE_LATEST)


def may_see(request: HttpRequest) -> bool:
    """Check for `EFIR_METRICS_TOKEN`, or, if none is set, that the request comes straight from this machine."""
    token: str = settings.EFIR.metrics_token
    if token:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    if any(name in request.headers for name in FORWARDED):
        return False
    # The Host, too: a page that rebinds its own name to 127.0.0.1 must not read it through somebody's browser.
    host = urlsplit(f"//{request.get_host()}").hostname or ""
    return is_this_machine(request.META.get("REMOTE_ADDR", "")) and is_this_machine(host)


def is_this_machine(host: str) -> bool:
    """Tell whether a name or an address always means the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
