"""The four events of the contract. Each is a fact that happens at most once for one lead and one webinar."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from efir.lib import clock

Reason: TypeAlias = Literal[
    "stayed_to_end",
    "watched_too_little",
    "not_watched",
    "left_early",
    "no_show",
    "unknown",
    "decided_by_admin",
]
Route: TypeAlias = Literal["attended", "not_attended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Fields that every event has. `timestamp`s are instants in UTC by the database's clock.

    `actor_id` is the person whose decision made it a fact, or None if the system did. The payload does not contain it,
    because the journal has a column for it.
    """

    name: ClassVar[str]
    moment_field: ClassVar[str] = "timestamp"

    lead_id: int
    webinar_id: int
    actor_id: int | None = None

    @property
    def moment(self) -> datetime:
        moment: datetime = getattr(self, self.moment_field)
        return moment

    def payload(self) -> dict[str, Any]:
        """Return the fields for JSON: times in ISO 8601 ending in `Z`, UUIDs as text."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "actor_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientWebinarEntered(Event):
    """The lead was in the room while it was live. `session_id` is the participation's, not a browser's."""

    name: ClassVar[str] = "client_webinar_entered"

    session_id: UUID
    timestamp: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientWebinarCompleted(Event):
    """The lead entered, was present at the end, within the grace period, and watched enough."""

    name: ClassVar[str] = "client_webinar_completed"
    moment_field: ClassVar[str] = "completed_at"

    webinar_type: Literal["live"] = "live"
    session_id: UUID
    completed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientWebinarAttendanceClassified(Event):
    """The verdict on one lead. `rule` names the rule of the classification and its values."""

    name: ClassVar[str] = "client_webinar_attendance_classified"

    attended: bool
    timestamp: datetime
    reason: Reason
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PostWebinarRoute(Event):
    """The follow-up route of the lead after the webinar."""

    name: ClassVar[str] = "post_webinar_route"

    attended: bool
    route: Route
    timestamp: datetime


EVENTS: dict[str, type[Event]] = {
    event.name: event
    for event in (
        ClientWebinarEntered,
        ClientWebinarCompleted,
        ClientWebinarAttendanceClassified,
        PostWebinarRoute,
    )
}


def from_payload(name: str, payload: dict[str, Any], actor_id: int | None = None) -> Event:
    """Rebuild the event from its journal row. Raises KeyError for an unknown event name."""
    event = EVENTS[name]
    moment = event.moment_field
    typed = payload | {moment: datetime.fromisoformat(payload[moment])}
    if "session_id" in typed:
        typed["session_id"] = UUID(typed["session_id"])
    return event(**typed, actor_id=actor_id)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return clock.iso(value)
    return str(value) if isinstance(value, UUID) else value
