"""The template context: `site`, the settings in force."""

from __future__ import annotations

from django.http import HttpRequest

from efir.site_settings.current import current
from efir.site_settings.models import SiteSettings


def site(request: HttpRequest) -> dict[str, SiteSettings]:
    return {"site": current()}
