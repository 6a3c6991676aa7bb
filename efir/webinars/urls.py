"""Addresses of the schedule, of seats and of the speaker's page."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from efir.webinars.views import calendar, control, posters, schedule, seats, speaker

urlpatterns = [
    path("", RedirectView.as_view(url="/webinars/", query_string=True)),
    path("live/", RedirectView.as_view(url="/webinars/", permanent=True, query_string=True)),
    path("webinars/", schedule.schedule, name="schedule"),
    path("webinars/calendar.ics", calendar.feed, name="calendar_feed"),
    path("webinars/<id:webinar_id>/calendar.ics", calendar.one, name="calendar"),
    path("posters/<str:digest>/<str:name>", posters.poster, name="poster"),
    path("webinars/<id:webinar_id>/seat", seats.seat, name="seat"),
    path("admin_webinar/", speaker.webinars, name="speaker_list"),
    path("admin_webinar/new/", speaker.new, name="speaker_new"),
    path("admin_webinar/<id:webinar_id>/", speaker.one, name="speaker"),
    path("admin_webinar/<id:webinar_id>/start", control.start, name="webinar_start"),
    path("admin_webinar/<id:webinar_id>/stop", control.stop, name="webinar_stop"),
    path("admin_webinar/<id:webinar_id>/cta", control.cta, name="webinar_cta"),
    path("admin_webinar/<id:webinar_id>/copy", control.copy, name="webinar_copy"),
    path("admin_webinar/<id:webinar_id>/publish", control.publish, name="webinar_publish"),
    path("admin_webinar/<id:webinar_id>/withdraw", control.withdraw, name="webinar_withdraw"),
    path("admin_webinar/<id:webinar_id>/recording", control.recording, name="webinar_recording"),
]
