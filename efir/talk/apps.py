"""The room's talk as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class TalkConfig(AppConfig):
    name = "efir.talk"
    label = "talk"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from efir.talk import personal_data  # noqa: F401  # registers its sections, listens for erasures
