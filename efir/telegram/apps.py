"""Telegram as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class TelegramConfig(AppConfig):
    name = "efir.telegram"
    label = "telegram"
    default_auto_field = "django.db.models.BigAutoField"
