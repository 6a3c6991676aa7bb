"""Webinars as a Django app."""

from __future__ import annotations

from django.apps import AppConfig

from efir.triggers import registry


class WebinarsConfig(AppConfig):
    name = "efir.webinars"
    label = "webinars"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from efir.webinars import own_data, seating  # noqa: F401  # listen for erasures and sign-ups
        from efir.webinars.guards import GUARDS

        registry.register(*GUARDS)
