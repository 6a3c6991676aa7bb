"""The language of the interface: the one chosen in the footer, else the browser's, else Russian."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation.trans_real import parse_accept_lang_header

KNOWN = frozenset(code for code, _name in settings.LANGUAGES)


def language_of(cookies: Mapping[str, str], accepts: str) -> str:
    """The language for a visitor with these cookies, whose browser sends `accepts` as its `Accept-Language`."""
    chosen = cookies.get(settings.LANGUAGE_COOKIE_NAME, "")
    return chosen if chosen in KNOWN else _wanted(accepts)


def _wanted(accepts: str) -> str:
    """The known language that the browser wants most: «en-GB» is English; «uk, ru;q=0.5» is Russian."""
    for tag, quality in parse_accept_lang_header(accepts):  # remembers what it has parsed
        code = tag.partition("-")[0]
        if code in KNOWN and quality > 0:
            return code
    return settings.LANGUAGE_CODE


class LanguageMiddleware(MiddlewareMixin):
    """Every page in its visitor's language, and caches told that it depends on that."""

    def process_request(self, request: HttpRequest) -> None:
        translation.activate(language_of(request.COOKIES, request.headers.get("Accept-Language", "")))
        request.LANGUAGE_CODE = translation.get_language()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        response.headers.setdefault("Content-Language", translation.get_language())
        return response
