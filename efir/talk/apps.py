"""The room's talk as a Django app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from efir.room.hub import RoomHub
    from efir.talk.delivery import TalkDelivery


class TalkConfig(AppConfig):
    name = "efir.talk"
    label = "talk"

    def ready(self) -> None:
        from efir.room import extensions
        from efir.talk import personal_data  # noqa: F401  # registers its sections, listens for erasures
        from efir.talk.writing import delete_of_draft
        from efir.webinars.core import draft_deleted

        draft_deleted.connect(delete_of_draft, dispatch_uid="efir.talk.draft_deleted")

        extensions.register(_make_delivery)


def _make_delivery(hub: RoomHub) -> TalkDelivery:
    # Imported when a web process begins: no command needs it.
    from efir.talk.delivery import TalkDelivery

    return TalkDelivery(hub)
