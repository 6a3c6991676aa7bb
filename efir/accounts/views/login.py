"""`/login/`, `/logout/` and `/consent/`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.views.decorators.http import require_safe

from efir.accounts import login_throttle
from efir.accounts.capabilities import Capability, can
from efir.accounts.consent import consent_version, needs_consent
from efir.accounts.language import remember_language
from efir.accounts.models import Person
from efir.accounts.sessions import current_person, start_session
from efir.site_settings.current import current
from efir.web.shortcuts import html_405


class LogIn(LoginView):
    """The login page. It leads on to the consent page if the person has not accepted the current text."""

    def get_success_url(self) -> str:
        address: str = super().get_success_url()
        person = current_person(self.request)
        if needs_consent(person):
            return f"{reverse('consent_asked')}?{urlencode({'next': address})}"
        if address == resolve_url(settings.LOGIN_REDIRECT_URL) and is_first_setup(person):
            return reverse("site_settings")
        return address

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if login_throttle.is_throttled(request):
            return login_throttle.locked_out(request)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        start_session(self.request, form.get_user())
        response = HttpResponseRedirect(self.get_success_url())
        person = current_person(self.request)
        login_throttle.remember_browser(response, person.login)
        remember_language(self.request, response, person)
        return response


log_in = LogIn.as_view(
    template_name="accounts/login.html", redirect_authenticated_user=True, extra_context={"bare": True}
)
log_out = html_405(LogoutView.as_view())


def is_first_setup(person: Person) -> bool:
    """Return whether nobody has saved the site's settings yet and this person may."""
    return current().changed_at is None and can(person, Capability.EDIT_SITE)


@require_safe
def consent(request: HttpRequest) -> HttpResponse:
    """Show the text to which people consent when they sign up."""
    return render(request, "accounts/consent.html", {"version": consent_version(), "bare": True})
