"""`/login/forgotten/`: ask for a link for a new password. The answer is the same whoever is asked about."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_ratelimit.core import is_ratelimited

from efir.accounts.forms import ForgottenForm
from efir.accounts.login_throttle import attempted_login
from efir.accounts.models import Person
from efir.accounts.password_reset import password_forgotten
from efir.accounts.views.login import too_many
from efir.web.client_ip import request_rate_limit_key

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
