"""The form token that the edge writes into a cached page: Django's own, from the visitor's cookie."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CSRF_SECRET_LENGTH, CsrfViewMiddleware, get_token

_SECRET = re.compile(rf"[A-Za-z0-9]{{{CSRF_SECRET_LENGTH}}}")


class VisitorToken:
    """The form token of one visitor. A visitor without a usable cookie gets one: `headers` sets it."""

    def __init__(self, cookies: Mapping[str, str]) -> None:
        self._request = HttpRequest()
        secret = cookies.get(settings.CSRF_COOKIE_NAME, "")
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        if _SECRET.fullmatch(secret):
            self._request.META["CSRF_COOKIE"] = secret
        else:
            get_token(self._request)  # makes a secret
            response = CsrfViewMiddleware(lambda _: HttpResponse()).process_response(
                self._request, HttpResponse()
            )
            self.headers = ((b"set-cookie", response.cookies.output(header="", sep="").strip().encode()),)
        self.digest = hashlib.sha256(self._request.META["CSRF_COOKIE"].encode()).hexdigest()[:12].encode()

    def masked(self) -> bytes:
        """Return the token, masked anew."""
        return get_token(self._request).encode()
