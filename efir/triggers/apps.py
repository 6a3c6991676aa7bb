"""Drop the triggers before migrations, install them afterwards, and check that they are in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.db.models.signals import post_migrate, pre_migrate

from efir.triggers import registry


class TriggersConfig(AppConfig):
    name = "efir.triggers"
    label = "triggers"

    def ready(self) -> None:
        pre_migrate.connect(_drop_triggers, dispatch_uid="efir.triggers")
        post_migrate.connect(_install_triggers, dispatch_uid="efir.triggers")
        register(check_triggers, Tags.database)


def _drop_triggers(using: str, **kwargs: Any) -> None:
    registry.drop(using)


def _install_triggers(using: str, **kwargs: Any) -> None:
    # Django sends this signal once for each app: the first one installs all triggers.
    if registry.missing(using) or registry.obsolete(using):
        registry.install(using)


def check_triggers(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report efir.E001 for each trigger that is not in the database as this version defines it."""
    return [
        Error(
            f"The database trigger {name} is missing or changed.",
            hint="Run `efir migrate`: it installs every trigger.",
            id="efir.E001",
        )
        for using in databases or ()
        for name in sorted(registry.missing(using))
    ]
