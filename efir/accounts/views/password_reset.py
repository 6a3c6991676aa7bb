"""`/login/forgotten/`: ask for a link for a new password. The answer is the same whoever is asked about."""

from __future__ import annotations

from axes.utils import reset as forget_attempts
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlsafe_base64_decode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_ratelimit.core import is_ratelimited

from efir.accounts import login_throttle
from efir.accounts.forms import ForgottenForm, NewPasswordForm
from efir.accounts.login_throttle import attempted_login
from efir.accounts.models import Person
from efir.accounts.password_reset import password_forgotten
from efir.accounts.views.login import too_many
from efir.web.client_ip import request_rate_limit_key
from efir.web.shortcuts import redirect_with_message

# For one log-in from one address; for one address; and for one log-in from wherever, which nobody is told about.
RATES = {"address": "60/h", "pair": "3/15m"}
SILENT_RATE = "10/h"
WAIT_S = 900


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """The question, and one sentence in answer. Nothing is looked up here: who sends the link does that."""
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        return _page(request, form=form)
    if _asks_too_often(request):
        sentence = _("Слишком много просьб о новом пароле. Подождите 15 минут и попробуйте ещё раз.")
        return too_many(request, sentence, WAIT_S)
    if not is_ratelimited(request, group="forgotten-login", key=_login, rate=SILENT_RATE, increment=True):
        password_forgotten.send(sender=Person, login=form.cleaned_data["username"])
    return _page(request, asked=True)


def _page(request: HttpRequest, **context: object) -> HttpResponse:
    shown = {"bare": True, "has_bot": bool(settings.EFIR.telegram_token), **context}
    return render(request, "accounts/forgotten.html", shown)


def _asks_too_often(request: HttpRequest) -> bool:
    keys = {"pair": _pair, "address": _address}
    # In this order: an address over its limit makes no more counters.
    return any(
        is_ratelimited(request, group=f"forgotten-{name}", key=keys[name], rate=rate, increment=True)
        for name, rate in RATES.items()
    )


def _login(_group: str, request: HttpRequest) -> str:
    return attempted_login(request)


def _address(_group: str, request: HttpRequest) -> str:
    return request_rate_limit_key(request)


def _pair(_group: str, request: HttpRequest) -> str:
    return f"{request_rate_limit_key(request)} {attempted_login(request)}"


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """Opening the link writes nothing (Django's own view keeps the token in the session); setting ends all sessions."""
    person = _person(uidb64)
    if person is None or not default_token_generator.check_token(person, token):
        return render(request, "accounts/reset.html", {"form": None, "bare": True}, status=404)
    form = NewPasswordForm(person, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        form.save()
        forget_attempts(username=person.login)  # whoever had forgotten the password has tried some
        response = redirect_with_message(request, "/login/", _("Пароль сохранён. Войдите с ним."))
        login_throttle.remember_browser(response, person.login)  # the way back in while others go on guessing
        return response
    response = render(request, "accounts/reset.html", {"form": form, "person": person, "bare": True})
    response["Referrer-Policy"] = "same-origin"
    return response


def _person(uidb64: str) -> Person | None:
    try:
        return Person.objects.filter(pk=int(urlsafe_base64_decode(uidb64)), is_active=True).first()
    except (ValueError, OverflowError):
        return None
