"""The own broadcast as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class BroadcastConfig(AppConfig):
    name = "efir.broadcast"
    label = "broadcast"

    def ready(self) -> None:
        from efir.broadcast import (
            live,
            personal_data,  # noqa: F401  # registers its sections
        )

        live.register()
