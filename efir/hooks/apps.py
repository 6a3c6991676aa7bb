"""The hooks as a Django app; its journal is append-only."""

from __future__ import annotations

from django.apps import AppConfig

from efir.triggers import registry


class HooksConfig(AppConfig):
    name = "efir.hooks"
    label = "hooks"

    def ready(self) -> None:
        fact = ("event", "webinar_id", "lead_id")
        registry.register(
            *registry.append_only("hooks_journalentry", "journal_append_only", "journal_is_append_only", fact)
        )
