"""The room as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class RoomConfig(AppConfig):
    name = "efir.room"
    label = "room"

    def ready(self) -> None:
        from efir.room import personal_data  # noqa: F401  # registers its section
        from efir.room.presence_store import delete_of_draft
        from efir.webinars.core import draft_deleted

        draft_deleted.connect(delete_of_draft, dispatch_uid="efir.room.draft_deleted")
