"""The form token that the edge writes into a cached page: Django's own, from the visitor's cookie."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CSRF_ALLOWED_CHARS, CSRF_SECRET_LENGTH, CsrfViewMiddleware, rotate_token

_SECRET = re.compile(rf"[A-Za-z0-9]{{{CSRF_SECRET_LENGTH}}}")

_LETTERS = CSRF_ALLOWED_CHARS.encode()
_NUMBERS = {letter: number for number, letter in enumerate(_LETTERS)}
# Random bytes as numbers of letters. The last ones are left out, so that every letter is as likely.
_FAIR = 256 - 256 % len(_LETTERS)
_AS_NUMBER = bytes(byte % len(_LETTERS) for byte in range(256))
_UNFAIR = bytes(range(_FAIR, 256))


def mask(secret: str) -> bytes:
    """Mask a secret as Django does (`_mask_cipher_secret`), for its middleware, in a tenth of the time."""
    numbers = b""
    while len(numbers) < CSRF_SECRET_LENGTH:
        numbers += os.urandom(2 * CSRF_SECRET_LENGTH).translate(_AS_NUMBER, _UNFAIR)
    numbers = numbers[:CSRF_SECRET_LENGTH]
    pairs = zip(numbers, secret.encode(), strict=True)
    cipher = bytes(_LETTERS[(number + _NUMBERS[letter]) % len(_LETTERS)] for number, letter in pairs)
    return bytes(_LETTERS[number] for number in numbers) + cipher


def answer_nothing(_: HttpRequest) -> HttpResponse:
    """Stand in for the view of a request whose token alone is checked or made."""
    return HttpResponse()


# Django's own, for requests that Django never sees.
CSRF = CsrfViewMiddleware(answer_nothing)


class VisitorToken:
    """The form token of one visitor. A visitor without a usable cookie gets one: `headers` sets it."""

    def __init__(self, cookies: Mapping[str, str]) -> None:
        secret = cookies.get(settings.CSRF_COOKIE_NAME, "")
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        if not _SECRET.fullmatch(secret):
            request = HttpRequest()
            rotate_token(request)  # makes a secret
            secret = request.META["CSRF_COOKIE"]
            response = CSRF.process_response(request, HttpResponse())
            self.headers = ((b"set-cookie", response.cookies.output(header="", sep="").strip().encode()),)
        self._secret = secret
        self.digest = hashlib.sha256(secret.encode()).hexdigest()[:12].encode()

    def masked(self) -> bytes:
        """Return the token, masked anew."""
        return mask(self._secret)
