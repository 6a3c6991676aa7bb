"""`/login/`, `/logout/`, `/signup/`, and what is said to somebody who tries too often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import structlog
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe
from django_ratelimit.core import is_ratelimited

from efir.accounts import login_throttle, referral
from efir.accounts.capabilities import Role
from efir.accounts.forms import SignUpForm
from efir.accounts.login_throttle import attempted_login
from efir.accounts.models import Person
from efir.accounts.services import CONSENT_VERSION, LoginTaken, create_person, needs_consent, signed_up
from efir.accounts.sessions import current_person
from efir.lib import ids
from efir.web.client_ip import request_rate_limit_key
from efir.web.shortcuts import html_405, safe_next

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


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """The only way a visitor makes an account. Who has one, and comes by a webinar's link, is offered its seat."""
    if request.user.is_authenticated:
        return _seat_page(request)
    if request.method != "POST":
        return _form(request, SignUpForm())
    if _tries_too_often(request):
        sentence = _("Слишком много регистраций с этого адреса. Подождите час и попробуйте ещё раз.")
        return too_many(request, sentence, HOUR_S)
    form = SignUpForm(request.POST)
    person = _signed_up(request, form) if form.is_valid() else None
    if person is None:
        return _form(request, form)
    login(request, person, backend=BACKEND)
    response = redirect(safe_next(request, _welcomed(request, person)))
    login_throttle.remember_browser(response, person.login)
    response.delete_cookie(referral.COOKIE, samesite="Lax")
    return response


@require_safe
def consent(request: HttpRequest) -> HttpResponse:
    """What everybody who signs up consents to."""
    return render(request, "accounts/consent.html", {"version": CONSENT_VERSION, "bare": True})


def _seat_page(request: HttpRequest) -> HttpResponse:
    webinar_id = _webinar_id(request)
    if webinar_id is None:
        return redirect("account")
    return render(request, "accounts/seat.html", {"webinar_id": webinar_id})


def _form(request: HttpRequest, form: SignUpForm) -> HttpResponse:
    context = {
        "form": form,
        "next": safe_next(request, ""),
        "log_in": _log_in_instead(request),
        "inviter": referral.inviter_of(request),
        "ref_is_dead": referral.is_dead(request),
        "webinar_id": _webinar_id(request),
        "bare": True,
    }
    response = render(request, "accounts/signup.html", context)
    referral.remember(request, response)
    return response


def _signed_up(request: HttpRequest, form: SignUpForm) -> Person | None:
    given = form.cleaned_data
    try:
        return create_person(
            login=given["username"],
            name=given["name"],
            role=Role.CANDIDATE,
            password=given["password"],
            invited_by=referral.inviter_of(request),
            consented=True,
            webinar_id=_webinar_id(request),
        )
    except LoginTaken:
        form.say_taken(_log_in_instead(request))
        for key in _TAKEN_KEYS:
            _was_taken_too_often(request, key, increment=True)
        return None


def _log_in_instead(request: HttpRequest) -> str:
    """Where somebody who has an account goes on to where they wanted to: a page, or the seat of a webinar."""
    webinar_id = _webinar_id(request)
    seat = f"{reverse('signup')}?{urlencode({'webinar': webinar_id})}" if webinar_id else ""
    address = safe_next(request, seat)
    return f"{reverse('login')}?{urlencode({'next': address})}" if address else reverse("login")


def _welcomed(request: HttpRequest, person: Person) -> str:
    """Let those who listen say something to the new person, and tell where to go on; by default the account."""
    answers = signed_up.send(sender=Person, request=request, person=person, webinar_id=_webinar_id(request))
    return next((address for _receiver, address in answers if address), "/account/")


def _webinar_id(request: HttpRequest) -> int | None:
    asked = request.POST.get("webinar") or request.GET.get("webinar", "")
    return ids.parse(asked)


def _tries_too_often(request: HttpRequest) -> bool:
    often = is_ratelimited(request, group="signup", key=_address, rate=settings.SIGNUP_RATE, increment=True)
    return bool(often) or any(_was_taken_too_often(request, key) for key in _TAKEN_KEYS)


def _was_taken_too_often(
    request: HttpRequest, key: Callable[[str, HttpRequest], str], *, increment: bool = False
) -> bool:
    """Whether from one address, or for one log-in from wherever, it was said too often that there is an account."""
    group = f"signup-taken-{key.__name__}"
    return bool(is_ratelimited(request, group=group, key=key, rate=settings.TAKEN_RATE, increment=increment))


def _address(_group: str, request: HttpRequest) -> str:
    return request_rate_limit_key(request)


def _login(_group: str, request: HttpRequest) -> str:
    return attempted_login(request)


_TAKEN_KEYS = (_address, _login)
