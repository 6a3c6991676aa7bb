"""`/account/data/`: export and erase one's own data. `/account/consent/`: accept the current text."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts.code_forms import show_codes_left
from efir.accounts.consent import accept_consent, consent_version, needs_consent
from efir.accounts.erasure import erase
from efir.accounts.forms import EraseForm, PasswordAgainForm
from efir.accounts.models import Person
from efir.accounts.personal_data import stream_data
from efir.accounts.roles import LastAdmin, is_last_admin
from efir.accounts.sessions import current_person, request_context
from efir.audit.actions import Action
from efir.audit.log import record
from efir.web import rate_limit
from efir.web.shortcuts import post_only, redirect_with_message, safe_next

# Rows of a section: more than any person collects in years, and few enough for the memory, which has one section.
SECTION_LIMIT = 20_000


@never_cache
@require_safe
@login_required
def own_data(request: HttpRequest) -> HttpResponse:
    """Show what is stored, and the two forms."""
    return _page(request)


@never_cache
@sensitive_post_parameters()
@post_only
@login_required
def export(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Send the person's own data as a JSON file."""
    if refusal := rate_limit.check(request, "own_data"):
        return refusal
    form = PasswordAgainForm(_oneself(request), request.POST, prefix="export")
    if not form.is_valid():
        return _page(request, export_form=form)
    show_codes_left(request, form.codes_left)
    person = current_person(request)
    with transaction.atomic():
        record(Action.DATA_EXPORTED, request_context(request), person_id=person.pk)
    return StreamingHttpResponse(
        stream_data(person, SECTION_LIMIT, get_language() or "ru"),
        headers={
            "Content-Type": "application/json",
            "Content-Disposition": 'attachment; filename="efir-my-data.json"',
        },
    )


@never_cache
@sensitive_post_parameters()
@post_only
@login_required
def erase_oneself(request: HttpRequest) -> HttpResponse:
    """Erase the account forever, after the password and an explicit confirmation."""
    if refusal := rate_limit.check(request, "own_data"):
        return refusal
    form = EraseForm(_oneself(request), request.POST, prefix="erase")
    if not form.is_valid():
        return _page(request, erase_form=form)
    try:
        erase(current_person(request).pk, request_context(request))
    except LastAdmin:
        sentence = _("Вы единственный администратор. Сначала назначьте ещё одного.")
        return redirect_with_message(request, "/account/data/", sentence, error=True)
    logout(request)
    return redirect_with_message(
        request, "/webinars/", _("Аккаунт удалён, данные стёрты. Спасибо, что были с нами.")
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def consent_asked(request: HttpRequest) -> HttpResponse:
    """Ask a person who has not accepted the current text to do so."""
    person, address = _oneself(request), safe_next(request, "/account/")
    if not needs_consent(person):
        return redirect(address)
    if request.method == "POST":
        accept_consent(person, request_context(request))
        return redirect(address)
    context = {"version": consent_version(), "next": address, "is_new": bool(person.consent_version)}
    return render(request, "accounts/consent_asked.html", context | {"bare": True})


def _page(request: HttpRequest, **forms: Any) -> HttpResponse:
    person = _oneself(request)
    context: dict[str, Any] = {
        "person": person,
        "needs_consent": needs_consent(person),
        "is_last_admin": is_last_admin(person),
        "export_form": PasswordAgainForm(person, prefix="export"),
        "erase_form": EraseForm(person, prefix="erase"),
        **forms,
    }
    return render(request, "accounts/data.html", context, status=400 if forms else 200)


def _oneself(request: HttpRequest) -> Person:
    # Read again, to be changed: `request.user` is shared by everything that handles the request.
    return Person.objects.get(pk=current_person(request).pk)
