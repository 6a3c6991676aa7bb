"""`/metrics` for Prometheus; other clients get 404."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from efir.ops.monitoring.collectors import InstallationCollector, WithDeprecatedNames
from efir.web.local import is_from_this_machine


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return this process's counters and the state of the installation.

    Raises Http404 if the client may not see them.
    """
    if not may_see(request):
        raise Http404
    collectors = map(WithDeprecatedNames, (REGISTRY, InstallationCollector()))
    return HttpResponse(b"".join(map(generate_latest, collectors)), content_type=CONTENT_TYPE_LATEST)


def may_see(request: HttpRequest) -> bool:
    """Check for `EFIR_METRICS_TOKEN`, or, if none is set, that the request comes straight from this machine."""
    token: str = settings.EFIR.metrics_token
    if token:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    return is_from_this_machine(request)
