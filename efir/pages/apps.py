"""The composed pages as a Django app without models: their templates and tags."""

from __future__ import annotations

from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "efir.pages"
    label = "pages"
