"""URLs of the room and of the read-only API."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.generic import RedirectView

from efir.room import views
from efir.room.api import api, not_found

urlpatterns = [
    path("live_room/", RedirectView.as_view(url="/account/webinar_room/", permanent=True)),
    path("account/webinar_room/<id:webinar_id>/people", views.people, name="room_people"),
    path("account/webinar_room/<id:webinar_id>/playback", views.playback, name="room_playback"),
    path("account/webinar_room/<id:webinar_id>/watch", views.watch, name="room_watch"),
    path("account/webinar_room/<id:webinar_id>/cta", views.press_cta, name="room_cta"),
    path("admin_webinar/<id:webinar_id>/here", views.here, name="speaker_here"),
    path("api/", api.urls),
    re_path("^api/", not_found),
]
