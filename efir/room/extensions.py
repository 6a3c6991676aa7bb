"""A registry for packages that send events over the room's stream, because the room must not import them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from efir.room.viewer import Viewer
from efir.webinars.models import Webinar

if TYPE_CHECKING:
    from efir.room.hub import RoomHub  # which imports this module


class RoomExtension(Protocol):
    """One kind of events beside the state. Its methods run on the event loop unless they say otherwise."""

    # The channel of LISTEN/NOTIFY whose payloads are ids of webinars for `notify_changed`.
    notify_channel: str

    def viewer_joined(self, webinar: Webinar, viewer: Viewer) -> None:
        """Send a new viewer the current content, or the changes after their `last_event`."""

    def webinar_changed(self, webinar: Webinar, viewers: Collection[Viewer]) -> None:
        """Take note of a newer row of a webinar that has viewers."""

    def room_left(self, webinar_id: int) -> None:
        """Forget a webinar whose last viewer has left."""

    def notify_changed(self, webinar_ids: Iterable[int] | None = None) -> None:
        """Reload these webinars (None: all with viewers in this process). Thread-safe."""

    async def run(self) -> None:
        """Send changes, until cancelled."""


EXTENSIONS: list[Callable[[RoomHub], RoomExtension]] = []


def register(make: Callable[[RoomHub], RoomExtension]) -> None:
    """Register the function that makes the extension of each hub."""
    if make not in EXTENSIONS:
        EXTENSIONS.append(make)
