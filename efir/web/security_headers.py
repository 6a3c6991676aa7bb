"""Security headers that Django has no setting for: device permissions, and who may embed our files."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from efir.lib.asgi import Headers

# Features that no framed player needs, and only the studio among the pages (see `permissions_policy`). Only names that
# Chromium knows: others cause console warnings.
DENIED = (
    "accelerometer",
    "browsing-topics",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "usb",
    "xr-spatial-tracking",
)


# For responses that do not come from Django, which sets both on its own.
_headers = [(b"x-content-type-options", b"nosniff")]
if settings.SECURE_HSTS_SECONDS:
    _headers.append((b"strict-transport-security", b"max-age=%d" % settings.SECURE_HSTS_SECONDS))
SECURITY_HEADERS: Headers = tuple(_headers)


def permissions_policy(allowed: Collection[str] = ()) -> str:
    """Return the Permissions-Policy: autoplay and full screen for the page and its players.

    `allowed` names further features that the page itself may use; its players may not.
    """
    players = " ".join(["self", *(f'"https://{host}"' for host in sorted(settings.FRAME_HOSTS))])
    own = [f"{name}=({'self' if name in allowed else ''})" for name in DENIED]
    return ", ".join([f"autoplay=({players})", f"fullscreen=({players})", *own])


class SecurityHeadersMiddleware(MiddlewareMixin):
    """Set the headers on every response of Django."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", permissions_policy())
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response
