"""Where a request comes from, for limits."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def request_ip(request: HttpRequest) -> str:
    """The client's address. `X-Forwarded-For` counts only as far as `EFIR_TRUSTED_PROXIES` proxies wrote it."""
    return client_ip(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def request_rate_limit_key(request: HttpRequest) -> str:
    """What limits count by: see `network_of`."""
    return rate_limit_key(request_ip(request))


def client_ip(remote: str, forwarded: str) -> str:
    """The client behind the connection from `remote`, of which the header says `forwarded`."""
    proxies: int = settings.EFIR.trusted_proxies
    told = [part.strip() for part in forwarded.split(",") if part.strip()]
    if not proxies or len(told) < proxies:
        return remote
    nearest = told[-proxies]
    return nearest if _parsed(nearest) else remote


def rate_limit_key(address: str) -> str:
    """The address itself; of IPv6 its first 64 bits: one line has all the others."""
    parsed = _parsed(address)
    if parsed is None or parsed.version == 4:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False).network_address)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
