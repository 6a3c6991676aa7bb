"""The site's settings as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class SiteSettingsConfig(AppConfig):
    name = "efir.site_settings"
    label = "site_settings"

    def ready(self) -> None:
        from efir.site_settings import current
        from efir.web import locale

        locale.set_default_language(current.default_language)
