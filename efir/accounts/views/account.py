"""`/account/`: oneself, one's contacts, one's inviter, one's candidates."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from django_ratelimit.core import is_ratelimited

from efir.accounts.access_cache import read_access
from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.forms import ChangePasswordForm, ContactsForm
from efir.accounts.models import Person
from efir.accounts.services import own_candidate
from efir.accounts.sessions import end_other_sessions, other_sessions, person_of
from efir.accounts.views.login import HOUR_S, too_many
from efir.web.shortcuts import back_with, post_only

# Of one person, whichever session.
RATE = "20/h"

log = structlog.get_logger(__name__)


class ChangePassword(PasswordChangeView):
    """One's own password; every other session of the person ends."""

    form_class = ChangePasswordForm
    template_name = "accounts/password.html"
    success_url = "/account/"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        keys = other_sessions(self.request).values_list("session_key", flat=True)
        return super().get_context_data(others=len(read_access(keys)), **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The old password is not to be guessed here either."""
        if is_ratelimited(request, group="own-password", key="user", rate=RATE, increment=True):
            return too_many(request, _("Слишком много попыток. Подождите час и попробуйте ещё раз."), HOUR_S)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        response = super().form_valid(form)
        messages.success(self.request, _("Пароль изменён. На других устройствах нужно войти заново."))
        return response


change_password = never_cache(ChangePassword.as_view())


@post_only
@login_required
def end_sessions(request: HttpRequest) -> HttpResponse:
    """Log out on every other device: a telephone that was lost, somebody else's computer."""
    end_other_sessions(request)
    log.info("other_sessions_ended", person_id=person_of(request).pk)
    return back_with(request, reverse("password_change"), _("Готово: вы вошли только здесь."))


@never_cache
@require_safe
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Oneself."""
    return _account(request, ContactsForm(instance=person_of(request)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def contact_details(request: HttpRequest) -> HttpResponse:
    """Save one's own ways to be reached. GET is a form with errors that was opened again: back to the account."""
    if request.method != "POST":
        return redirect("account")
    form = ContactsForm(request.POST, instance=Person.objects.get(pk=person_of(request).pk))
    if not form.is_valid():
        return _account(request, form)
    form.save()
    return back_with(request, "/account/", _("Контакты сохранены."))


def _account(request: HttpRequest, form: ContactsForm) -> HttpResponse:
    person = person_of(request)
    context = {"form": form, "referral_link": f"{settings.EFIR.public_url}/signup/?ref={person.ref_code}"}
    return render(request, "accounts/account.html", context)


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def contacts(request: HttpRequest) -> HttpResponse:
    """The inviter and the ways to reach them: where the room's call-to-action leads."""
    return render(request, "accounts/contacts.html", {"inviter": person_of(request).invited_by})


@never_cache
@require_safe
@capability_required(Capability.SEE_OWN_CANDIDATES)
def candidate(request: HttpRequest, person_id: int) -> HttpResponse:
    """One of one's own candidates; other people's do not exist here."""
    found = own_candidate(person_of(request), person_id)
    if found is None:
        raise Http404
    return render(request, "accounts/candidate.html", {"candidate": found, "own": [found]})
