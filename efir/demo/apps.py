"""The demo as a Django app without models: its templates and static files."""

from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "efir.demo"
    label = "demo"
