"""Addresses of the room's talk."""

from __future__ import annotations

from django.urls import path

from efir.talk import views

urlpatterns = [
    path("account/webinar_room/<id:webinar_id>/messages", views.messages, name="talk_messages"),
    path("admin_webinar/<id:webinar_id>/messages/<id:number>", views.moderate_message, name="talk_moderate"),
    path("admin_webinar/<id:webinar_id>/talk/", views.queue, name="talk_queue"),
    path("admin_webinar/<id:webinar_id>/mute", views.mute_person, name="talk_mute"),
]
