"""Forgotten passwords: `/login/forgotten/` asks for a one-time link, `/account/reset/<uid>/<token>/` uses it."""

from __future__ import annotations

from axes.utils import reset as reset_failures
from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlsafe_base64_decode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from efir.accounts import second_factor
from efir.accounts.forms import ForgottenForm, NewPasswordForm
from efir.accounts.login_throttle import remember_browser
from efir.accounts.models import Person
from efir.accounts.password_reset import password_forgotten
from efir.accounts.passwords import PasswordOvertaken, set_password
from efir.audit.actions import Action
from efir.hooks.actions import Context, Source
from efir.web import rate_limit
from efir.web.client_ip import request_ip, request_rate_limit_key
from efir.web.shortcuts import redirect_with_message


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a link, and answer with the same sentence for every login.

    Nothing is looked up here: the receiver of `password_forgotten` does that, where the visitor cannot measure it.
    """
    context = {"bare": True, "has_bot": bool(settings.EFIR.telegram_token)}
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "accounts/forgotten.html", context | {"form": form})
    login: str = form.cleaned_data["username"]
    pair = f"{request_rate_limit_key(request)} {login}"
    rate_limit.note_failed_login(
        request
    )  # a request for a link counts as a guess, so that scripts are throttled
    if rate_limit.is_exceeded(request, "password_reset", pair):
        return rate_limit.too_many_requests(request, "password_reset")
    if not rate_limit.is_exceeded(request, "password_reset_account", login):
        password_forgotten.send(sender=Person, login=login)
    return render(request, "accounts/forgotten.html", context | {"asked": True})


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """Set a new password by the link, which ends all sessions.

    Opening the link writes nothing, unlike Django's own view, which keeps the token in the session.
    """
    try:
        person = Person.objects.filter(pk=int(urlsafe_base64_decode(uidb64)), is_active=True).first()
    except (ValueError, OverflowError):
        person = None
    if person is None or not default_token_generator.check_token(person, token):
        return _dead_link(request)
    form = NewPasswordForm(person, request.POST if request.method == "POST" else None)
    if form.is_valid():
        context = Context(person.pk, Source.WEB, address=request_ip(request))
        try:
            set_password(person, form.cleaned_data["new_password1"], Action.PASSWORD_RESET, context)
        except PasswordOvertaken:  # the same link was used at the same time
            return _dead_link(request)
        response = redirect_with_message(request, "/login/", _("Пароль сохранён. Войдите с ним."))
        # With a second factor a link is only half of a login: it must not allow more guesses at the codes.
        if not second_factor.is_on(person):
            reset_failures(
                username=person.login
            )  # the person has probably tried some passwords before asking
            remember_browser(response, person.login)  # so that the person gets in while others go on guessing
        return response
    response = render(request, "accounts/reset.html", {"form": form, "person": person, "bare": True})
    response["Referrer-Policy"] = "same-origin"
    return response


def _dead_link(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/reset.html", {"form": None, "bare": True}, status=404)
