"""Webinars as a Django app."""

from __future__ import annotations

from django.apps import AppConfig

from efir import guards


class WebinarsConfig(AppConfig):
    name = "efir.webinars"
    label = "webinars"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from efir.webinars import seating  # noqa: F401  # listens for sign-ups
        from efir.webinars.guards import GUARDS

        guards.register(*GUARDS)
