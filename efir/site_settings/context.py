"""The template context: `site_settings`, the settings in force. Django's login page has a `site` of its own."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from efir.site_settings.current import cached, current


def site_settings(request: HttpRequest) -> dict[str, Any]:
    """Return the settings in force, and `known_settings` for pages that must not ask the database."""
    return {"site_settings": SimpleLazyObject(current), "known_settings": cached()}
