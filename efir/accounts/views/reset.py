"""`/account/reset/<uid>/<token>/`: set a password by a one-time link, from the admin or from the bot."""

from __future__ import annotations

from axes.utils import reset as forget_attempts
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlsafe_base64_decode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from efir.accounts import login_throttle
from efir.accounts.forms import NewPasswordForm
from efir.accounts.models import Person
from efir.web.shortcuts import redirect_with_message


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
