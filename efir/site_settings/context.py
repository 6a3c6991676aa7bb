"""The template context: `site_settings`, the settings in force. Django's login page has a `site` of its own."""

from __future__ import annotations

from django.http import HttpRequest

from efir.site_settings.current import current
from efir.site_settings.models import SiteSettings


def site_settings(request: HttpRequest) -> dict[str, SiteSettings]:
    return {"site_settings": current()}
