"""`/signup/`: make an account, and book the seat of the webinar whose link brought the visitor."""

from __future__ import annotations

from urllib.parse import urlencode

import structlog
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from efir.accounts import login_throttle, referral
from efir.accounts.capabilities import Role
from efir.accounts.forms import SignUpForm
from efir.accounts.language import language_chosen
from efir.accounts.login_throttle import attempted_login
from efir.accounts.models import Person
from efir.accounts.services import LoginTaken, create_person
from efir.accounts.sessions import current_person, start_session
from efir.hooks.actions import ActionRefused
from efir.lib import ids
from efir.web import rate_limit
from efir.web.shortcuts import safe_next
from efir.webinars.core import book_seat
from efir.webinars.labels import seat_booked_message
from efir.webinars.models import Seat, Webinar
from efir.webinars.schedule import Schedule
from efir.webinars.selectors import open_webinar

log = structlog.get_logger(__name__)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Show the form and make the account. Show a logged-in person the webinar of their link instead."""
    webinar_id = ids.parse_pasted(request.POST.get("webinar") or request.GET.get("webinar", ""))
    if request.user.is_authenticated:
        return _seat_page(request, webinar_id)
    if request.method != "POST":
        return _form_page(request, SignUpForm(), webinar_id)
    form = SignUpForm(request.POST)
    # The inviter is written once, so the page says that the code is invalid, and its form no longer contains the code.
    if not form.is_valid() or referral.loses_inviter(request):
        return _form_page(request, form, webinar_id)
    if refusal := rate_limit.check(request, "sign_up", count=False):
        return refusal
    try:
        person, webinar = _create(request, form, webinar_id)
    except LoginTaken:
        form.say_taken(_login_address(request, webinar_id), plainly=_may_tell_taken(request))
        return _form_page(request, form, webinar_id)
    rate_limit.is_exceeded(request, "sign_up")  # counts the new account
    address = "/account/"
    if webinar:
        messages.success(request, seat_booked_message(webinar))
        if webinar.is_on_air:
            address = f"/account/webinar_room/{webinar.pk}/"
    response = redirect(safe_next(request, address))
    login_throttle.remember_browser(response, person.login)
    response.delete_cookie(referral.COOKIE, samesite="Lax")
    return response


def _may_tell_taken(request: HttpRequest) -> bool:
    """Count an answer that the login is taken, and return whether its limits allow to say so."""
    beyond = [
        rate_limit.is_exceeded(request, "sign_up_taken_address"),
        rate_limit.is_exceeded(request, "sign_up_taken_account", attempted_login(request)),
    ]
    return not any(beyond)


def _create(request: HttpRequest, form: SignUpForm, webinar_id: int | None) -> tuple[Person, Webinar | None]:
    """Make the account, log in and book the seat in one transaction; also return the webinar if a seat was booked."""
    seats: list[Seat] = []

    def enter(person: Person) -> None:
        start_session(request, person)
        if webinar_id is None:
            return
        try:
            seats.append(book_seat(webinar_id, person))
        except ActionRefused as refused:  # a closed or unknown webinar must not prevent the account
            code = refused.code.value
            log.info("seat_at_sign_up_refused", webinar_id=webinar_id, person_id=person.pk, code=code)

    given = form.cleaned_data
    person = create_person(
        login=given["username"],
        name=given["name"],
        role=Role.CANDIDATE,
        password=given["password"],
        invited_by=referral.inviter_of(request),
        consented=True,
        language=language_chosen(request),
        on_created=enter,
    )
    return person, seats[0].webinar if seats else None


def _seat_page(request: HttpRequest, webinar_id: int | None) -> HttpResponse:
    if webinar_id is None:
        return redirect("account")
    webinar = open_webinar(webinar_id)
    if webinar and Seat.objects.filter(webinar=webinar, person=current_person(request)).exists():
        return redirect("own_seat", webinar_id)
    return render(request, "pages/seat.html", {"webinar": webinar})


def _form_page(request: HttpRequest, form: SignUpForm, webinar_id: int | None) -> HttpResponse:
    webinar = None if webinar_id is None else open_webinar(webinar_id)
    context = {
        "form": form,
        "next": safe_next(request, ""),
        "log_in": _login_address(request, webinar_id),
        "inviter": referral.inviter_of(request),
        "ref_is_dead": referral.has_invalid_code(request),
        "webinar_id": webinar_id,
        "webinar": webinar,
        "ahead": None if webinar else Schedule.read().ahead(),
        "bare": True,
    }
    response = render(request, "pages/signup.html", context)
    referral.remember(request, response)
    return response


def _login_address(request: HttpRequest, webinar_id: int | None) -> str:
    """Return the login page's address, which leads on to the wanted page or to the webinar's seat."""
    seat = f"{reverse('signup')}?{urlencode({'webinar': webinar_id})}" if webinar_id else ""
    address = safe_next(request, seat)
    return f"{reverse('login')}?{urlencode({'next': address})}" if address else reverse("login")
