"""`/account/`: oneself, one's contacts, one's inviter, one's candidates."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts.capabilities import Capability, capability_required
from efir.accounts.forms import ContactsForm
from efir.accounts.models import Person
from efir.accounts.services import own_candidate
from efir.accounts.sessions import current_person
from efir.web.shortcuts import redirect_with_message


@never_cache
@require_safe
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Oneself."""
    return _account(request, ContactsForm(instance=current_person(request)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def contact_details(request: HttpRequest) -> HttpResponse:
    """Save one's own ways to be reached. GET is a form with errors that was opened again: back to the account."""
    if request.method != "POST":
        return redirect("account")
    form = ContactsForm(request.POST, instance=Person.objects.get(pk=current_person(request).pk))
    if not form.is_valid():
        return _account(request, form)
    form.save()
    return redirect_with_message(request, "/account/", _("Контакты сохранены."))


def _account(request: HttpRequest, form: ContactsForm) -> HttpResponse:
    person = current_person(request)
    context = {"form": form, "referral_link": f"{settings.EFIR.public_url}/signup/?ref={person.ref_code}"}
    return render(request, "pages/account.html", context)


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def contacts(request: HttpRequest) -> HttpResponse:
    """The inviter and the ways to reach them: where the room's call-to-action leads."""
    return render(request, "pages/contacts.html", {"inviter": current_person(request).invited_by})


@never_cache
@require_safe
@capability_required(Capability.SEE_OWN_CANDIDATES)
def candidate(request: HttpRequest, person_id: int) -> HttpResponse:
    """One of one's own candidates; other people's do not exist here."""
    found = own_candidate(current_person(request), person_id)
    if found is None:
        raise Http404
    return render(request, "pages/candidate.html", {"candidate": found, "own": [found]})
