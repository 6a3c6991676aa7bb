"""URLs of the schedule, seats, calendars and posters."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from efir.webinars import views

urlpatterns = [
    path("", RedirectView.as_view(url="/webinars/", query_string=True)),
    path("live/", RedirectView.as_view(url="/webinars/", permanent=True, query_string=True)),
    path("webinars/", views.schedule_page, name="schedule"),
    path("webinars/calendar.ics", views.calendar_feed, name="calendar_feed"),
    path("webinars/<id:webinar_id>/calendar.ics", views.webinar_calendar, name="calendar"),
    path("posters/<str:digest>/<str:name>", views.poster, name="poster"),
    path("webinars/<id:webinar_id>/seat", views.book_seat, name="seat"),
]
