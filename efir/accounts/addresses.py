"""Where a request comes from, for limits."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from efir.accounts.models import normalize_login


def client_address(request: HttpRequest) -> str:
    """The client's address. `X-Forwarded-For` counts only as far as `EFIR_TRUSTED_PROXIES` proxies wrote it."""
    remote: str = request.META.get("REMOTE_ADDR", "")
    proxies: int = settings.EFIR.trusted_proxies
    forwarded = [
        part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()
    ]
    if not proxies or len(forwarded) < proxies:
        return remote
    nearest: str = forwarded[-proxies]
    return nearest


def login_tried(request: HttpRequest, credentials: dict[str, str] | None = None) -> str:
    """The log-in that somebody tries, in its one spelling, so that 8 and +7 share one limit."""
    tried = (credentials or {}).get("username") or request.POST.get("username", "")
    return normalize_login(tried)[:254]
