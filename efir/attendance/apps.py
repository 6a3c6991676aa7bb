"""Configuration of the attendance app."""

from __future__ import annotations

from django.apps import AppConfig


class AttendanceConfig(AppConfig):
    name = "efir.attendance"
    label = "attendance"

    def ready(self) -> None:
        from efir.attendance import (
            classifier,  # noqa: F401  # register listeners and sections
            personal_data,  # noqa: F401  # register listeners and sections
        )
