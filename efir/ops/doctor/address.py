"""The doctor's look at the address that people use, and at the proxies in front."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from efir.ops.doctor.report import Check, Finding, failed, ok, warning

TIMEOUT_S = 10.0


def address() -> Iterator[Finding]:
    """https for everybody else's browser, and an answer from Efir itself."""
    url = settings.EFIR.public_url
    if not settings.EFIR.is_https and not _is_here(url):
        yield failed("public address", f"{url} is not https", "TLS in front, and EFIR_PUBLIC_URL=https://…")
    elif not settings.EFIR.is_https:
        yield warning("public address", f"{url}: only this machine can use it", "set EFIR_PUBLIC_URL")
    try:
        answer = httpx.get(f"{url}/healthz/web", timeout=TIMEOUT_S)
    except httpx.HTTPError as exc:
        advice = "start Efir and the proxy; look at the name, the certificate and the firewall"
        return (yield failed("public address", f"{url} does not answer ({type(exc).__name__})", advice))
    if answer.status_code == 200 and answer.headers.get("content-type", "").startswith("application/json"):
        yield ok("public address", f"{url} answers")
    else:
        advice = "the proxy leads elsewhere: compare it with deploy/"
        yield failed("public address", f"{url} answers HTTP {answer.status_code}, not as Efir does", advice)
    return None


def proxies() -> Iterator[Finding]:
    """Behind TLS there is a proxy; where nobody can come past it, its word on addresses is to be believed."""
    count, host = settings.EFIR.trusted_proxies, settings.EFIR.host
    if settings.EFIR.is_https and not count:
        advice = "EFIR_TRUSTED_PROXIES=1: else everybody shares one address, and one limit"
        yield warning("trusted proxies", "0, though TLS ends somewhere in front", advice)
    elif count and host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        advice = "let only the proxy reach the port (EFIR_HOST=127.0.0.1, or a firewall)"
        yield warning("trusted proxies", f"{count}, and EFIR_HOST={host} lets anybody come past them", advice)
    else:
        yield ok("trusted proxies", str(count))


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CHECKS: tuple[Check, ...] = (address, proxies)
