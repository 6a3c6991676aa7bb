"""The language of the interface: the one chosen in the footer, else the browser's, else the site's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation.trans_real import parse_accept_lang_header

LANGUAGES = frozenset(code for code, _name in settings.LANGUAGES)


def _default_language() -> str:
    return settings.LANGUAGE_CODE


def set_default_language(function: Callable[[], str]) -> None:
    """Ask `function`, which must not block, for the language of visitors who show no preference."""
    global _default_language  # noqa: PLW0603  # set once at the start
    _default_language = function


def language_of(cookies: Mapping[str, str], accept_language: str) -> str:
    """Return the language for a visitor with these cookies and this `Accept-Language` header.

    Regions are ignored: «en-GB» is English. Of «uk, ru;q=0.5» the first known language counts, which is Russian.
    """
    chosen = cookies.get(settings.LANGUAGE_COOKIE_NAME, "")
    if chosen in LANGUAGES:
        return chosen
    for tag, quality in parse_accept_lang_header(accept_language):  # Django caches the parsed headers
        code = tag.partition("-")[0]
        if code in LANGUAGES and quality > 0:
            return code
    return _default_language()


class LanguageMiddleware(MiddlewareMixin):
    """Activate the visitor's language, and tell caches that pages depend on it."""

    def process_request(self, request: HttpRequest) -> None:
        translation.activate(language_of(request.COOKIES, request.headers.get("Accept-Language", "")))
        request.LANGUAGE_CODE = translation.get_language()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        response.headers.setdefault("Content-Language", translation.get_language())
        return response
