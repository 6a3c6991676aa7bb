"""Redirect links to the demo's bot, which does not exist, to the page that plays Telegram."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from efir.demo.site import fake_botapi


class DemoRedirectMiddleware:
    """Turn redirects to t.me into redirects to /demo/telegram/."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        parts = urlsplit(response.headers.get("Location", ""))
        if parts.hostname == "t.me" and fake_botapi():
            payload = parse_qs(parts.query).get("start", [""])[0]
            response["Location"] = f"{reverse('demo-telegram')}?{urlencode({'start': payload})}"
        return response
