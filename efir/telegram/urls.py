"""The addresses of linking Telegram, from the site's root."""

from __future__ import annotations

from django.urls import path

from efir.telegram import views

urlpatterns = [
    path("account/telegram/link", views.link, name="telegram-link"),
    path("account/telegram/unlink", views.unlink_chat, name="telegram-unlink"),
]
