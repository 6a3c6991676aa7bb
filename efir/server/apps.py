"""The processes as a Django app. Its label stays "ops", so that no table moves."""

from __future__ import annotations

from importlib.metadata import entry_points

from django.apps import AppConfig


class ServerConfig(AppConfig):
    """Loads the listeners that other packages bring (docs/hooks.md)."""

    name = "efir.server"
    label = "ops"

    def ready(self) -> None:
        for plug_in in entry_points(group="efir.listeners"):
            plug_in.load()
