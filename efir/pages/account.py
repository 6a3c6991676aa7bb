"""`/account/`: a person's own account, contacts and inviter, and the people they invited."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from efir.accounts.capabilities import Capability, can, capability_required
from efir.accounts.forms import ContactsForm
from efir.accounts.models import Person
from efir.accounts.sessions import current_person
from efir.attendance.report.partner import list_candidates
from efir.lib import qrcode
from efir.lib.hosts import readable_url
from efir.room.hub import current_hub
from efir.telegram.reachability import link_status
from efir.web.shortcuts import redirect_with_message
from efir.webinars.labels import absolute_time
from efir.webinars.models import Webinar
from efir.webinars.schedule import Schedule, booked_webinar_ids


@never_cache
@require_safe
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show the account."""
    return _page(request, ContactsForm(instance=current_person(request)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def contact_details(request: HttpRequest) -> HttpResponse:
    """Save the person's own contacts. Redirect GET, which reopens a form with errors, to the account."""
    if request.method != "POST":
        return redirect("account")
    form = ContactsForm(request.POST, instance=Person.objects.get(pk=current_person(request).pk))
    if not form.is_valid():
        return _page(request, form)
    form.save()
    return redirect_with_message(request, "/account/", _("Контакты сохранены."))


def _page(request: HttpRequest, form: ContactsForm) -> HttpResponse:
    person, schedule = current_person(request), _schedule()
    seats = booked_webinar_ids(person.pk)
    webinar = schedule.ahead(seats)
    context: dict[str, Any] = {
        "form": form,
        "telegram": link_status(person),
        "webinar": webinar,
        "seated": webinar is not None and webinar.pk in seats,
    }
    if can(person, Capability.SEE_OWN_CANDIDATES):
        candidates = list_candidates(person, schedule, request.GET)
        link = f"{settings.EFIR.public_url}/signup/?ref={person.ref_code}"
        context |= {
            "referral_link": readable_url(link),
            "invitation": _invitation(link, schedule.ahead()),
            "evening": candidates.evening,
            "candidates": candidates,
        }
    return render(request, "pages/account.html", context)


def _schedule() -> Schedule:
    hub = current_hub()
    return hub.admission.schedule_cache.get_in_thread() if hub else Schedule.read()


def _invitation(link: str, webinar: Webinar | None) -> dict[str, str]:
    """Return a text ready to send: the next webinar, and the link that books a seat there at sign-up."""
    if webinar is None or webinar.starts_at is None:
        address = link
        words = _("Приглашаю на живые вебинары: можно задать вопросы и узнать, как всё устроено.")
        before_link = _("Регистрация по ссылке:")
    else:
        address = f"{link}&{urlencode({'webinar': webinar.pk})}"
        about = {"title": webinar.title, "moment": absolute_time(webinar.starts_at, webinar.zone)}
        words = _("Приглашаю на живой вебинар «%(title)s»: %(moment)s.") % about
        before_link = _("Место бронируется по ссылке:")
    return {
        "text": f"{words} {before_link}\n{readable_url(address)}",
        "words": words,
        "address": readable_url(address),
        # The app that shares the text adds the address itself, so the text does not refer to it.
        "share_query": urlencode({"url": address, "text": words}),
        "qr_code": _qr_code(link),
    }


# Cached, because a code takes milliseconds to compute and partners look at their page often. An entry has a few
# kilobytes.
@lru_cache(maxsize=500)
def _qr_code(link: str) -> SafeString:
    return qrcode.svg(link)


@never_cache
@require_safe
@capability_required(Capability.ENTER_ROOM)
def contacts(request: HttpRequest) -> HttpResponse:
    """Show the inviter and their contacts: the room's call-to-action leads here."""
    return render(request, "pages/contacts.html", {"inviter": current_person(request).invited_by})
