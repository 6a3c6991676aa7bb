"""`POST /webinars/<id>/seat`: somebody who is logged in books a seat."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse

from efir.accounts.sessions import current_person
from efir.hooks.actions import ActionRefused
from efir.web.shortcuts import post_only, prefers_html, redirect_with_message, refused_json
from efir.webinars.core import book_seat
from efir.webinars.labels import refusal_message, seat_booked_message

SCHEDULE_PATH = "/webinars/"


@post_only
def book(request: HttpRequest, webinar_id: int) -> HttpResponse:
    """One seat for each person and webinar, open until the stop."""
    if not request.user.is_authenticated:
        return _log_in_first(request)
    try:
        book = book_seat(webinar_id, current_person(request))
    except ActionRefused as refused:
        if prefers_html(request):
            return redirect_with_message(request, SCHEDULE_PATH, refusal_message(refused.code), error=True)
        return refused_json(refused)
    if prefers_html(request):
        return redirect_with_message(request, SCHEDULE_PATH, seat_booked_message(book.webinar))
    return JsonResponse({"webinar_id": webinar_id, "seat": True})


def _log_in_first(request: HttpRequest) -> HttpResponse:
    if prefers_html(request):
        return redirect_to_login(SCHEDULE_PATH)
    return JsonResponse({"error": "login_required"}, status=401)
