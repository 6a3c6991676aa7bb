"""`/login/`, `/logout/` and `/consent/`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from efir.accounts import login_throttle
from efir.accounts.capabilities import Capability, can
from efir.accounts.consent import consent_version, needs_consent
from efir.accounts.language import remember_language
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
        return address

    def get_default_redirect_url(self) -> str:
        """Return where somebody lands who did not ask for a page."""
        person = current_person(self.request)
        if can(person, Capability.EDIT_SITE) and current().changed_at is None:
            return reverse("site_settings")
        if can(person, Capability.EDIT_WEBINAR):
            return reverse("speaker_list")
        return super().get_default_redirect_url()

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


@require_safe
def consent(request: HttpRequest) -> HttpResponse:
    """Show the text to which people consent when they sign up."""
    return render(request, "accounts/consent.html", {"version": consent_version(), "bare": True})
