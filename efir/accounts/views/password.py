"""`/account/password/`: change the password and end other sessions."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from efir.accounts.access_cache import read_access
from efir.accounts.forms import ChangePasswordForm
from efir.accounts.passwords import PasswordOvertaken, set_password
from efir.accounts.sessions import current_person, end_other_sessions, other_sessions, request_context
from efir.audit.actions import Action
from efir.web import rate_limit
from efir.web.shortcuts import post_only, redirect_with_message

log = structlog.get_logger(__name__)


class ChangePassword(PasswordChangeView):
    """Change the person's own password, which ends all their other sessions."""

    form_class = ChangePasswordForm
    template_name = "accounts/password.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        keys = other_sessions(self.request).values_list("session_key", flat=True)
        return super().get_context_data(others=len(read_access(keys)), **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return rate_limit.check(request, "own_password") or super().post(request, *args, **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        person, password = current_person(self.request), form.cleaned_data["new_password1"]
        try:
            set_password(person, password, Action.PASSWORD_CHANGED, request_context(self.request))
        except PasswordOvertaken:
            form.add_error(
                "old_password", _("Пароль только что сменили. Войдите с новым и попробуйте ещё раз.")
            )
            return self.form_invalid(form)
        update_session_auth_hash(self.request, person)
        sentence = _("Пароль изменён. На других устройствах нужно войти заново.")
        return redirect_with_message(self.request, "/account/", sentence)


change_password = never_cache(ChangePassword.as_view())


@post_only
@login_required
def end_sessions(request: HttpRequest) -> HttpResponse:
    """Log the person out on every other device, for example on a lost phone."""
    end_other_sessions(request)
    log.info("other_sessions_ended", person_id=current_person(request).pk)
    return redirect_with_message(request, reverse("password_change"), _("Готово: вы вошли только здесь."))
