"""The form token that the edge inserts into a cached page: Django's CSRF token, from the visitor's cookie."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CSRF_ALLOWED_CHARS, CSRF_SECRET_LENGTH, CsrfViewMiddleware

from efir.lib.asgi import set_cookie_header

_SECRET = re.compile(rf"[A-Za-z0-9]{{{CSRF_SECRET_LENGTH}}}")

_LETTERS = CSRF_ALLOWED_CHARS.encode()
# Random bytes as indexes of letters. The highest bytes are left out, so that all letters are equally likely.
_FAIR = 256 - 256 % len(_LETTERS)
_AS_NUMBER = bytes(byte % len(_LETTERS) for byte in range(256))
_UNFAIR = bytes(range(_FAIR, 256))
# Numbers as letters, and letters as numbers.
_AS_LETTER = bytes(_LETTERS[number % len(_LETTERS)] for number in range(256))
_LETTER_AS_NUMBER = bytes(max(0, _LETTERS.find(byte)) for byte in range(256))
# `expires` in a cookie's header may be this old, beside a year.
COOKIE_AGE_S = 60


def mask(secret: str) -> bytes:
    """Mask a secret as Django does (`_mask_cipher_secret`), for its middleware, in a fiftieth of the time."""
    mask = _random_numbers()
    numbers = secret.encode().translate(_LETTER_AS_NUMBER)
    # All bytes at once: the sum of two numbers of letters is at most 122, so nothing is carried.
    sums = int.from_bytes(mask, "big") + int.from_bytes(numbers, "big")
    return (mask + sums.to_bytes(CSRF_SECRET_LENGTH, "big")).translate(_AS_LETTER)


def _random_numbers() -> bytes:
    numbers = b""
    while len(numbers) < CSRF_SECRET_LENGTH:
        numbers += os.urandom(2 * CSRF_SECRET_LENGTH).translate(_AS_NUMBER, _UNFAIR)
    return numbers[:CSRF_SECRET_LENGTH]


def answer_nothing(_: HttpRequest) -> HttpResponse:
    """Do nothing: a view for requests whose token is only checked or created."""
    return HttpResponse()


# Django's own, for requests that Django never sees.
CSRF = CsrfViewMiddleware(answer_nothing)


@lru_cache(maxsize=1)
def _cookie_parts(_minute: int) -> tuple[bytes, bytes]:
    """Return Django's header of the cookie before and after the secret."""
    request, secret = HttpRequest(), "a" * CSRF_SECRET_LENGTH
    request.META |= {"CSRF_COOKIE": secret, "CSRF_COOKIE_NEEDS_UPDATE": True}
    _, header = set_cookie_header(CSRF.process_response(request, HttpResponse()).cookies)
    before, _, after = header.partition(secret.encode())
    return before, after


class VisitorToken:
    """The form token of one visitor. A visitor without a usable cookie gets one: `headers` sets it."""

    def __init__(self, cookies: Mapping[str, str]) -> None:
        secret = cookies.get(settings.CSRF_COOKIE_NAME, "")
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        if not _SECRET.fullmatch(secret):
            new = _random_numbers().translate(_AS_LETTER)
            secret = new.decode()
            self.headers = ((b"set-cookie", new.join(_cookie_parts(int(time.time() // COOKIE_AGE_S)))),)
        self._secret = secret
        self.digest = hashlib.sha256(secret.encode()).hexdigest()[:12].encode()

    def masked(self) -> bytes:
        """Return the token, masked again."""
        return mask(self._secret)
