"""Operations as a Django app."""

from __future__ import annotations

from importlib.metadata import entry_points

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "efir.ops"
    label = "ops"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for plug_in in entry_points(group="efir.listeners"):
            plug_in.load()
