"""Headers that Django has no setting for: what a page and its frames may ask of the device, and who may embed it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from efir.lib.asgi import Headers

# What nothing here needs, whoever is framed. Only names that Chromium knows: of others it complains in the console.
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


def _everywhere() -> Headers:
    yield b"x-content-type-options", b"nosniff"
    if seconds := settings.SECURE_HSTS_SECONDS:
        yield b"strict-transport-security", b"max-age=%d" % seconds


# On the answers that Django does not see; on its own it sets both.
EVERYWHERE: Headers = tuple(_everywhere())


def permissions_policy() -> str:
    """Autoplay and full screen for the page and the players that it may frame; the rest for nobody."""
    players = " ".join(["self", *(f'"https://{host}"' for host in sorted(settings.FRAME_HOSTS))])
    return ", ".join([f"autoplay=({players})", f"fullscreen=({players})", *(f"{name}=()" for name in DENIED)])


class SecurityHeadersMiddleware(MiddlewareMixin):
    """The same for every answer that Django makes."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", permissions_policy())
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response
