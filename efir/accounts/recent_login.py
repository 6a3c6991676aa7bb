"""Ask for the password again before an action with which a stolen session cookie could take over the account.

A session remembers when the password was last typed in it: at the login, at the sign-up, or on the page that asks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import structlog
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.dispatch import receiver
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters

from efir.accounts.code_forms import show_codes_left
from efir.accounts.forms import PasswordAgainForm
from efir.accounts.sessions import current_person
from efir.lib import clock
from efir.web import rate_limit
from efir.web.shortcuts import View, prefers_html

# People usually link Telegram right after they log in; a copied cookie is usually older.
RECENT = timedelta(minutes=10)
_TYPED_AT = "password_typed_at"
_OWN_FIELDS = ("csrfmiddlewaretoken", "password", "code")

log = structlog.get_logger(__name__)


@receiver(user_logged_in, dispatch_uid="efir.recent_login")
def _on_login(request: HttpRequest, **_: Any) -> None:
    mark_recent(request.session)


def mark_recent(session: SessionBase) -> None:
    """Remember in the session that the password was typed just now."""
    session[_TYPED_AT] = clock.now().timestamp()


def is_recent(request: HttpRequest) -> bool:
    """Return whether the password was typed in this session within the last ten minutes."""
    typed_at = request.session.get(_TYPED_AT)
    if typed_at is None:  # the session began before this release
        return False
    age = clock.now() - datetime.fromtimestamp(typed_at, UTC)
    # A negative age: the clock was set back, and the session may be of any age.
    return timedelta(0) <= age <= RECENT


def recent_login_required(view: View) -> View:
    """Decorate a view for logged-in people: a POST from a session without a recent login is asked for the password.

    The page that asks repeats the POST with the field `password`, and with `code` for people with a second factor.
    Programs get 403 `password_required` or `code_required` until they send those fields.
    """

    @wraps(view)
    @sensitive_post_parameters("password", "code")
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or is_recent(request):
            return view(request, *args, **kwargs)
        form = PasswordAgainForm(
            current_person(request), request.POST if "password" in request.POST else None
        )
        if form.is_bound and (refusal := rate_limit.check(request, "own_password")):
            return refusal
        if not form.is_valid():
            return _ask(request, form)
        mark_recent(request.session)
        show_codes_left(request, form.codes_left)
        log.info("password_typed_again", person_id=current_person(request).pk)
        return view(request, *args, **kwargs)

    return guarded


def _ask(request: HttpRequest, form: PasswordAgainForm) -> HttpResponseBase:
    if not prefers_html(request):
        asked = "code" if form.is_bound and "password" not in form.errors else "password"
        wrong = form.errors.get(asked, ())
        detail = " ".join(map(str, wrong)) or gettext("Повторите запрос с паролем в поле password.")
        return JsonResponse({"error": f"{asked}_required", "detail": detail}, status=403)
    repeated = [
        (name, value) for name, values in request.POST.lists() if name not in _OWN_FIELDS for value in values
    ]
    context = {"form": form, "repeated": repeated, "address": request.get_full_path()}
    return render(request, "accounts/password_again.html", context, status=403)
