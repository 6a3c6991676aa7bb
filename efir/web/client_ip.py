"""The client's IP address behind proxies, and the key by which limits count it."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

from efir.lib.asgi import Scope, header_of


def request_ip(request: HttpRequest) -> str:
    """Return the client's IP address; see `client_ip`."""
    return client_ip(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def request_rate_limit_key(request: HttpRequest) -> str:
    """Return the key by which limits count the request; see `rate_limit_key`."""
    return rate_limit_key(request_ip(request))


def scope_rate_limit_key(scope: Scope) -> str:
    """Return the key by which limits count the ASGI request; see `rate_limit_key`."""
    client = scope.get("client")
    return rate_limit_key(client_ip(client[0] if client else "", header_of(scope, b"x-forwarded-for")))


def client_ip(remote: str, forwarded: str) -> str:
    """Return the client's IP address for a connection from `remote` with the `X-Forwarded-For` header `forwarded`.

    Only the last `EFIR_TRUSTED_PROXIES` entries of the header count, since a client can forge those before them.
    """
    proxies: int = settings.EFIR.trusted_proxies
    hops = [part.strip() for part in forwarded.split(",") if part.strip()]
    if not proxies or len(hops) < proxies:
        return remote
    return hops[-proxies] if _parse(hops[-proxies]) else remote


def rate_limit_key(address: str) -> str:
    """Return the address, or the /64 network of an IPv6 address, since one subscriber has the whole network."""
    parsed = _parse(address)
    if parsed is None or parsed.version == 4:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False).network_address)


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
