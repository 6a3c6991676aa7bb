"""Host names with letters of any script: as DNS and browsers send them (`xn--…`), and as people write them."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

import idna

_DEFAULT_PORTS = {"https": 443, "http": 80}


def ascii_host(host: str) -> str:
    """Return the host name in lower case and ASCII. Raises ValueError if it cannot be a host name."""
    return host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()


def bracketed(host: str | None) -> str:
    """Return the host as a URL spells it: IPv6 in brackets, localhost if there is none."""
    return f"[{host}]" if host and ":" in host else host or "localhost"


def host_and_port(parts: SplitResult) -> str:
    """Return the host in ASCII, with its port unless that is the scheme's default. Raises ValueError."""
    host = bracketed(ascii_host(parts.hostname) if parts.hostname else None)
    return host if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def ascii_url(url: str) -> str:
    """Return a URL with its host in ASCII; one without a host or with a user stays as it is. Raises ValueError."""
    parts = urlsplit(url)
    if url.isascii() or not parts.hostname or "@" in parts.netloc:
        return url
    return parts._replace(netloc=host_and_port(parts)).geturl()


def readable_url(url: str) -> str:
    """Return a URL with its host as people write it."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    if not any(label.startswith("xn--") for label in labels):
        return url
    host = idna.decode(parts.hostname or "")
    return parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl()
