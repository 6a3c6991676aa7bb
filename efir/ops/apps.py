"""What an operator uses, as a Django app without models."""

from __future__ import annotations

from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "efir.ops"
    label = "operations"
