"""Accounts as a Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from efir.triggers import registry


class AccountsConfig(AppConfig):
    name = "efir.accounts"
    label = "accounts"

    def ready(self) -> None:
        from efir.accounts import (
            access_changes,  # noqa: F401  # registers receivers
            consent,  # registers receivers
            login_throttle,  # noqa: F401  # registers receivers
            personal_data,  # noqa: F401  # registers sections
            recent_login,  # noqa: F401  # registers receivers
        )
        from efir.accounts.roles import sync_roles
        from efir.accounts.triggers import ERASED, INVITER

        registry.register(INVITER, ERASED)
        post_migrate.connect(sync_roles, dispatch_uid="efir.roles")
        post_migrate.connect(consent.keep_text_after_migrations, sender=self, dispatch_uid="efir.consent")
