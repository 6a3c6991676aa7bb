"""The buttons of the account page for a person's own Telegram: link, send a test message, unlink."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache

from efir.accounts.recent_login import recent_login_required
from efir.accounts.sessions import current_person, request_context
from efir.lib import qrcode
from efir.telegram import notices
from efir.telegram.link_tokens import BotUnknown, chat_of, make_link
from efir.telegram.linking import unlink
from efir.web import rate_limit
from efir.web.shortcuts import View, post_only, prefers_html, redirect_with_message

ACCOUNT = "/account/"


def _own(view: View) -> View:
    """Decorate a button's view: POST only; without a session, log in and return to the account page."""

    @never_cache
    @post_only
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(ACCOUNT)
        return view(request)

    return guarded


@_own
@recent_login_required
def link(request: HttpRequest) -> HttpResponse:
    """Make a one-time link: JSON for programs, a redirect to Telegram for people."""
    return _linked(
        request, lambda url: redirect(url) if prefers_html(request) else JsonResponse({"url": url})
    )


@_own
@recent_login_required
def qr(request: HttpRequest) -> HttpResponse:
    """Make a one-time link and show it as a QR code, for a phone beside this screen."""
    return _linked(
        request, lambda url: render(request, "telegram/qr.html", {"url": url, "code": qrcode.svg(url)})
    )


def _linked(request: HttpRequest, show: Callable[[str], HttpResponse]) -> HttpResponse:
    # Earlier links keep working, so that a code that is being scanned does not expire by another press.
    if rate_limit.is_exceeded(request, "telegram_link"):
        if prefers_html(request):
            return rate_limit.too_many_requests(request, "telegram_link")
        return _too_often(request, "telegram_link")
    try:
        return show(make_link(current_person(request), request.session.session_key or ""))
    except BotUnknown:
        words = gettext("Telegram сейчас не подключён. Попробуйте, пожалуйста, чуть позже.")
        return _refused(request, "telegram_not_available", 503, words)


@_own
def test(request: HttpRequest) -> HttpResponse:
    """Have the bot send the person a test message. The account page shows it if the chat is not reachable."""
    chat = chat_of(current_person(request))
    if chat is None or not chat.reachable:
        return _refused(
            request, "not_linked", 409, gettext("Сначала привяжите Telegram: писать пока некуда.")
        )
    if rate_limit.is_exceeded(request, "telegram_test"):
        return _too_often(request, "telegram_test")
    notices.request_test(current_person(request))
    if not prefers_html(request):
        return JsonResponse({"queued": True}, status=202)
    words = gettext(
        "Сообщение отправляется: через несколько секунд оно придёт в Telegram. Если его нет и через минуту, "
        "обновите эту страницу: если чат недоступен, здесь будет сказано почему."
    )
    return redirect_with_message(request, ACCOUNT, words)


@_own
def unlink_chat(request: HttpRequest) -> HttpResponse:
    """Unlink the chat. Idempotent."""
    unlink(current_person(request), request_context(request))
    if not prefers_html(request):
        return JsonResponse({"linked": False})
    return redirect_with_message(
        request, ACCOUNT, gettext("Telegram отвязан. Привязать его снова можно в любой момент.")
    )


def _too_often(request: HttpRequest, name: str) -> HttpResponse:
    limit = rate_limit.LIMITS[name]
    response = _refused(request, "too_often", 429, str(limit.sentence))
    response["Retry-After"] = str(limit.period_s)
    return response


def _refused(request: HttpRequest, code: str, status: int, sentence: str) -> HttpResponse:
    if prefers_html(request):
        return redirect_with_message(request, ACCOUNT, sentence, error=True)
    return JsonResponse({"error": code, "detail": sentence}, status=status)
