"""Imports as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ImportingConfig(AppConfig):
    name = "efir.importing"
    label = "importing"

    def ready(self) -> None:
        from efir.importing import personal_data  # noqa: F401  # registers its section
