"""Linking Telegram from the account page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from efir.accounts.models import Person
from efir.telegram.links import BotUnknown, make_link, unlink
from efir.web import back_with, post_only, prefers_html

ACCOUNT = "/account/"


@post_only
@login_required
def link(request: HttpRequest) -> HttpResponse:
    """A fresh one-time link: JSON for programs, a redirect into Telegram for people."""
    try:
        url = make_link(_person(request))
    except BotUnknown:
        return _no_bot(request)
    return redirect(url) if prefers_html(request) else JsonResponse({"url": url})


@post_only
@login_required
def unlink_chat(request: HttpRequest) -> HttpResponse:
    """Forget the chat; asking again changes nothing."""
    unlink(_person(request))
    if not prefers_html(request):
        return JsonResponse({"linked": False})
    return back_with(request, ACCOUNT, gettext("Telegram отвязан. Привязать его снова можно в любой момент."))


def _no_bot(request: HttpRequest) -> HttpResponse:
    text = gettext("Telegram сейчас не подключён. Попробуйте, пожалуйста, чуть позже.")
    if prefers_html(request):
        return back_with(request, ACCOUNT, text, error=True)
    return JsonResponse({"error": "telegram_not_available", "detail": text}, status=503)


def _person(request: HttpRequest) -> Person:
    assert isinstance(request.user, Person)  # noqa: S101  # login_required has seen to it
    return request.user
