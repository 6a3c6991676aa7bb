"""`/account/password/`: change the password."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from efir.accounts.code_forms import show_codes_left
from efir.accounts.forms import ChangePasswordForm
from efir.accounts.passwords import PasswordOvertaken, set_password
from efir.accounts.sessions import current_person, request_context
from efir.audit.actions import Action
from efir.web import rate_limit
from efir.web.shortcuts import redirect_with_message


class ChangePassword(PasswordChangeView):
    """Change the person's own password, which ends all their other sessions."""

    form_class = ChangePasswordForm
    template_name = "accounts/password.html"

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
        show_codes_left(self.request, getattr(form, "codes_left", None))
        sentence = _("Пароль изменён. На других устройствах нужно войти заново.")
        return redirect_with_message(self.request, "/account/", sentence)


change_password = never_cache(ChangePassword.as_view())
