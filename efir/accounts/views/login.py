"""`/login/` with its second step, `/logout/` and `/consent/`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts import login_throttle, password_step, second_factor
from efir.accounts.capabilities import Capability, can
from efir.accounts.code_forms import CodeForm, show_codes_left
from efir.accounts.consent import consent_version, earlier_text, needs_consent
from efir.accounts.language import remember_language
from efir.accounts.models import Person
from efir.accounts.sessions import current_person, start_session
from efir.hooks.actions import Context, Source
from efir.lib.text import clean_query
from efir.site_settings.current import current
from efir.web import rate_limit
from efir.web.client_ip import request_ip
from efir.web.shortcuts import html_405, redirect_with_message, safe_next


class LogIn(LoginView):
    """The login page. People with a second factor are not logged in yet: the next page asks for a code."""

    def get_success_url(self) -> str:
        """Return the page for a visitor who is already logged in."""
        return _landing_address(self.request, current_person(self.request))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if login_throttle.is_throttled(request, login_throttle.attempted_login(request)):
            return login_throttle.locked_out(request)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        person: Person = form.get_user()
        if not second_factor.is_on(person):
            return _logged_in(self.request, person)
        response = redirect(_address_with_next("login_code", safe_next(self.request, "")))
        password_step.remember(response, person)
        return response


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def log_in_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code after the password, and log in. `?recovery=1` asks for a recovery code."""
    if request.user.is_authenticated:
        return redirect(_landing_address(request, current_person(request)))
    wanted = safe_next(request, "")
    person = password_step.person_of(request)
    if person is None or not second_factor.is_on(person):
        if request.method != "POST":
            return redirect(_address_with_next("login", wanted))
        sentence = _("Прошло больше 10 минут. Введите логин и пароль ещё раз.")
        return redirect_with_message(request, _address_with_next("login", wanted), sentence, error=True)
    is_post, recovery = request.method == "POST", "recovery" in request.GET
    if is_post and login_throttle.is_code_throttled(request, person.login):
        if not rate_limit.is_exceeded(request, "guessing_told", person.login):
            second_factor.codes_guessed.send(sender=Person, person=person)
        return login_throttle.locked_out(request)
    context = Context(person.pk, Source.WEB, address=request_ip(request))
    form = CodeForm(context, person, request.POST if is_post else None, recovery=recovery)
    if form.is_valid():
        response = _logged_in(request, person)
        password_step.forget(response)
        show_codes_left(request, form.codes_left)
        return response
    if form.is_bound:
        login_throttle.note_wrong_code(request, person.login)
    shown = {"form": form, "next": wanted, "recovery": recovery, "bare": True}
    return render(request, "accounts/login_code.html", shown)


def _logged_in(request: HttpRequest, person: Person) -> HttpResponse:
    start_session(request, person)
    response = redirect(_landing_address(request, person))
    login_throttle.remember_browser(response, person.login)
    remember_language(request, response, person)
    return response


def _landing_address(request: HttpRequest, person: Person) -> str:
    """Return the page that was asked for, or the person's own; first the consent, if it has not been given."""
    if can(person, Capability.EDIT_SITE) and current().changed_at is None:
        own = reverse("site_settings")
    else:
        own = reverse("speaker_list" if can(person, Capability.EDIT_WEBINAR) else "account")
    address = safe_next(request, own)
    return _address_with_next("consent_asked", address) if needs_consent(person) else address


def _address_with_next(name: str, wanted: str) -> str:
    return f"{reverse(name)}?{urlencode({'next': wanted})}" if wanted else reverse(name)


log_in = LogIn.as_view(
    template_name="accounts/login.html", redirect_authenticated_user=True, extra_context={"bare": True}
)
log_out = html_405(LogoutView.as_view())


@require_safe
def consent(request: HttpRequest) -> HttpResponse:
    """Show the text to which people consent when they sign up, or an earlier one (`?version=`)."""
    version = clean_query(request.GET, "version") or consent_version()
    context: dict[str, Any] = {"version": version, "bare": True}
    if version != consent_version():
        context["earlier"] = earlier_text(version, get_language() or "")
        if not context["earlier"]:
            raise Http404
    return render(request, "accounts/consent.html", context)
