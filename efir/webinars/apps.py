"""Webinars as a Django app."""

from __future__ import annotations

from django.apps import AppConfig

from efir.triggers import registry


class WebinarsConfig(AppConfig):
    name = "efir.webinars"
    label = "webinars"

    def ready(self) -> None:
        from efir.webinars import personal_data  # noqa: F401  # listens for erasures
        from efir.webinars.triggers import TRIGGERS

        registry.register(*TRIGGERS)
