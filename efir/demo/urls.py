"""The demo's URLs, below /demo/."""

from __future__ import annotations

from django.urls import path

from efir.demo import components, views

urlpatterns = [
    path("telegram/", views.chats, name="demo-telegram"),
    path("telegram/<id:person_id>/start", views.press_start, name="demo-start"),
    path("telegram/<id:chat_id>/press", views.press_button, name="demo-press"),
    path("telegram/<id:chat_id>/block", views.toggle_block, name="demo-block"),
    path("components/", components.components, name="demo-components"),
    path("player/", views.player, name="demo-player"),
    path("picture/", views.pictures, name="demo-pictures"),
    path("picture/<id:webinar_id>", views.switch_picture, name="demo-picture"),
    path("recording/", views.recording, name="demo-recording"),
]
