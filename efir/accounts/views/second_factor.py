"""`/account/second_factor/`: set the second factor up and switch it off; an admin resets somebody else's.

A GET writes nothing: the secret is made by the POST that begins, and waits in the session, sealed, for its first code.
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from efir.accounts import second_factor
from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.code_forms import FirstCodeForm, sentence_of, show_codes_left
from efir.accounts.forms import PasswordAgainForm
from efir.accounts.models import Person
from efir.accounts.recent_login import recent_login_required
from efir.accounts.roles import lock_actor
from efir.accounts.second_factor import AlreadyOn, CodeRefused
from efir.accounts.sessions import current_person, end_other_sessions, request_context
from efir.lib import qrcode
from efir.site_settings.current import current
from efir.web import rate_limit
from efir.web.shortcuts import post_only, redirect_with_message

# In the session, until the first code proves that the app has the secret.
_PENDING = "second_factor_secret"
_GROUP = 4


@never_cache
@post_only
@capability_required(Capability.EDIT_WEBINAR)
@recent_login_required
def begin(request: HttpRequest) -> HttpResponse:
    """Make a secret, and show it on the next page."""
    person = current_person(request)
    if second_factor.is_on(person):
        return redirect("security")
    request.session[_PENDING] = second_factor.seal_secret(second_factor.new_secret(), person)
    return redirect("second_factor")


@never_cache
@sensitive_post_parameters()
@sensitive_variables()
@require_http_methods(["GET", "HEAD", "POST"])
@capability_required(Capability.EDIT_WEBINAR)
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the secret for the app; its first code switches the second factor on and shows the recovery codes."""
    person, sealed = current_person(request), request.session.get(_PENDING, "")
    secret = second_factor.unseal_secret(sealed, person) if sealed else None
    if secret is None:
        return redirect("security")
    form = FirstCodeForm(request.POST if request.method == "POST" else None)
    if form.is_bound and (refusal := rate_limit.check(request, "own_password")):
        return refusal
    if form.is_valid():
        try:
            codes = second_factor.enable(person, secret, form.cleaned_data["code"], request_context(request))
        except CodeRefused as refused:
            form.add_error("code", sentence_of(refused))
        except AlreadyOn:
            return redirect("security")
        else:
            del request.session[_PENDING]
            end_other_sessions(request)
            return _show_codes(request, codes, is_new=True)
    address = second_factor.app_address(secret, person, current().title)
    context = {
        "form": form,
        "code": qrcode.svg(address),
        "address": address,
        "secret": " ".join(secret[at : at + _GROUP] for at in range(0, len(secret), _GROUP)),
    }
    return render(request, "accounts/second_factor.html", context, status=400 if form.errors else 200)


@never_cache
@sensitive_post_parameters()
@post_only
@login_required
def new_codes(request: HttpRequest) -> HttpResponse:
    """Replace the recovery codes, after password and code."""
    if answer := _answer_before_change(request, "codes"):
        return answer
    codes = second_factor.replace_recovery_codes(current_person(request), request_context(request))
    return _show_codes(request, codes)


@never_cache
@sensitive_post_parameters()
@post_only
@login_required
def off(request: HttpRequest) -> HttpResponse:
    """Switch the second factor off, after password and code."""
    if answer := _answer_before_change(request, "off"):
        return answer
    second_factor.disable(current_person(request), request_context(request))
    sentence = _("Вход в два шага выключен. Теперь для входа нужен только пароль.")
    return redirect_with_message(request, reverse("security"), sentence)


@never_cache
@sensitive_post_parameters()
@post_only
@capability_required(Capability.ASSIGN_ROLES)
def reset_other(request: HttpRequest, person_id: int) -> HttpResponse:
    """Reset the second factor of somebody who lost it, after the admin's own password (and code)."""
    person, people = get_object_or_404(Person, pk=person_id, is_active=True), reverse("people")
    if person.pk == current_person(request).pk:
        sentence = _("Свой вход в два шага выключают на странице «Вход и безопасность».")
        return redirect_with_message(request, people, sentence, error=True)
    typed = _password_typed(request, "reset", other=person)
    if isinstance(typed, HttpResponse):
        return typed
    context = request_context(request)
    with transaction.atomic():
        if not lock_actor(context, Capability.ASSIGN_ROLES):
            raise PermissionDenied(Capability.ASSIGN_ROLES)
        was_on = second_factor.reset(person, context)
    show_codes_left(request, typed.codes_left)
    sentence = (
        _("%(name)s: вход в два шага сброшен, открытые входы завершены. Теперь хватит пароля.")
        if was_on
        else _("%(name)s: вход в два шага и так выключен.")
    )
    return redirect_with_message(request, people, sentence % {"name": person.name})


def _answer_before_change(request: HttpRequest, step: str) -> HttpResponse | None:
    """Return what to answer before one's own second factor may change; None once password and code are right."""
    if not second_factor.is_on(current_person(request)):
        return redirect("security")
    typed = _password_typed(request, step)
    return typed if isinstance(typed, HttpResponse) else None


def _password_typed(
    request: HttpRequest, step: str, other: Person | None = None
) -> PasswordAgainForm | HttpResponse:
    """Return the form once the password (and the code) is right; until then the page that asks, or a refusal."""
    is_typed = "password" in request.POST
    form = PasswordAgainForm(current_person(request), request.POST if is_typed else None)
    if is_typed and (refusal := rate_limit.check(request, "own_password")):
        return refusal
    if form.is_valid():
        return form
    context = {"form": form, "step": step, "other": other}
    return render(request, "accounts/second_factor_confirm.html", context, status=403)


def _show_codes(request: HttpRequest, codes: list[str], *, is_new: bool = False) -> HttpResponse:
    return render(request, "accounts/recovery_codes.html", {"codes": codes, "is_new": is_new})
