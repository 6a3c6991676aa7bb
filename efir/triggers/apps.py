"""Keeps the guards in step with migrations, and checks that they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.db.models.signals import post_migrate, pre_migrate

from efir.triggers import registry


class TriggersConfig(AppConfig):
    name = "efir.triggers"
    label = "guards"

    def ready(self) -> None:
        # Both signals come once for each app; the first and the last of them are enough, and repeats do no harm.
        pre_migrate.connect(_lift, dispatch_uid="efir.triggers")
        post_migrate.connect(_put_back, dispatch_uid="efir.triggers")
        register(check_guards, Tags.database)


def _lift(using: str, **kwargs: Any) -> None:
    registry.drop(using)


def _put_back(using: str, **kwargs: Any) -> None:
    registry.install(using)


def check_guards(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """efir.E001: a trigger that holds a rule of the contract is not in the database, or not as this version has it."""
    return [
        Error(
            f"The database guard {name} is missing or changed.",
            hint="Run `efir migrate`: it puts every guard back.",
            id="efir.E001",
        )
        for using in databases or ()
        for name in sorted(registry.missing(using))
    ]
