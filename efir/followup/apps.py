"""Follow-up as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class FollowupConfig(AppConfig):
    name = "efir.followup"
    label = "followup"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from efir.followup import (
            listeners,  # noqa: F401  # register their listeners
            routing,  # noqa: F401  # register their listeners
        )
        from efir.followup.texts import register_kinds

        register_kinds()
