"""The composed pages as a Django app: it has templates and no models."""

from __future__ import annotations

from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "efir.pages"
    label = "pages"
