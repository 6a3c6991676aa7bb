"""Detect requests that come directly from this machine, for endpoints that are not public."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.http import HttpRequest

# A proxy adds at least one of these. A request with one comes from a proxy on this machine, on behalf of anybody.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via")


def is_from_this_machine(request: HttpRequest) -> bool:
    """Return whether the request comes from a program on this machine, not through a proxy."""
    if any(name in request.headers for name in FORWARDED):
        return False
    # Check the Host, too: a page that rebinds its own name to 127.0.0.1 (DNS rebinding) must not read it through a
    # browser.
    host = urlsplit(f"//{request.get_host()}").hostname or ""
    return is_this_machine(request.META.get("REMOTE_ADDR", "")) and is_this_machine(host)


def is_this_machine(host: str) -> bool:
    """Return whether a name or an address always means the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
