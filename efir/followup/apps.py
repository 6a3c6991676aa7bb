"""Follow-up as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class FollowupConfig(AppConfig):
    name = "efir.followup"
    label = "followup"
