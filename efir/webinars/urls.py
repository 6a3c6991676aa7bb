"""Addresses of the schedule, of seats and of the speaker's page."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from efir.webinars.views import calendar, posters, schedule, seats

urlpatterns = [
    path("", RedirectView.as_view(url="/webinars/", query_string=True)),
    path("live/", RedirectView.as_view(url="/webinars/", permanent=True, query_string=True)),
    path("webinars/", schedule.schedule, name="schedule"),
    path("webinars/calendar.ics", calendar.calendar_feed, name="calendar_feed"),
    path("webinars/<id:webinar_id>/calendar.ics", calendar.webinar_calendar, name="calendar"),
    path("posters/<str:digest>/<str:name>", posters.poster, name="poster"),
    path("webinars/<id:webinar_id>/seat", seats.book, name="seat"),
]
