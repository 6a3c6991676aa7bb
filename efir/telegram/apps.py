"""Telegram as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class TelegramConfig(AppConfig):
    name = "efir.telegram"
    label = "telegram"

    def ready(self) -> None:
        from efir.telegram import notices, personal_data  # noqa: F401  # importing connects their receivers
        from efir.telegram.outbox.enqueue import release_for_recording
        from efir.webinars.core import recording_published

        recording_published.connect(release_for_recording, dispatch_uid="efir.telegram.recording")
