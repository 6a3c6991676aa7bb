"""`/login/`, `/logout/`, `/signup/`, and what is said to somebody who tries too often."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import structlog
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from efir.accounts import login_throttle
from efir.accounts.login_throttle import attempted_login
from efir.accounts.services import CONSENT_VERSION, needs_consent
from efir.accounts.sessions import current_person
from efir.web.shortcuts import html_405

HOUR_S = 3600
BACKEND = "django.contrib.auth.backends.ModelBackend"

log = structlog.get_logger(__name__)


class LogIn(LoginView):
    """Who has not consented to the text as it is now is asked first, and goes on from there."""

    def get_success_url(self) -> str:
        address: str = super().get_success_url()
        if needs_consent(current_person(self.request)):
            return f"{reverse('consent_asked')}?{urlencode({'next': address})}"
        return address

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A refusal costs no hash."""
        if login_throttle.is_throttled(request, attempted_login(request)):
            return locked_out(request)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        login_throttle.remember_browser(response, current_person(self.request).login)
        return response


log_in = LogIn.as_view(
    template_name="accounts/login.html", redirect_authenticated_user=True, extra_context={"bare": True}
)
log_out = html_405(LogoutView.as_view())


def too_many(request: HttpRequest, sentence: str, wait_s: int) -> HttpResponse:
    """The page for somebody who has to wait this many seconds."""
    log.warning("tries_too_often", path=request.path, person_id=request.user.pk)
    response = render(request, "429.html", {"sentence": sentence}, status=429)
    response["Retry-After"] = str(wait_s)
    return response


def locked_out(
    request: HttpRequest,
    response: HttpResponse | None = None,  # what axes hands over
    credentials: dict[str, str] | None = None,
    *args: Any,
    **kwargs: Any,
) -> HttpResponse:
    """Too many wrong passwords for one log-in or from one address (axes calls this, too). The same for any log-in."""
    sentence = _(
        "Слишком много неверных паролей. Подождите 15 минут, войдите с устройства, где вы уже входили, "
        "или задайте новый пароль: на странице входа нажмите «Забыли пароль?»."
    )
    return too_many(request, sentence, int(settings.AXES_COOLOFF_TIME * HOUR_S))


@require_safe
def consent(request: HttpRequest) -> HttpResponse:
    """What everybody who signs up consents to."""
    return render(request, "accounts/consent.html", {"version": CONSENT_VERSION, "bare": True})
