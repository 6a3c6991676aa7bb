"""The two inbound actions as typed payloads, and the codes with which they are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from efir.lib import clock


class Source(StrEnum):
    """The channel through which an action came in."""

    WEB = "web"
    CLI = "cli"
    SYSTEM = "system"


class Code(StrEnum):
    """The refusals of the contract, by the code that callers see."""

    INVALID_START = "webinar_state_invalid_start"
    INVALID_STOP = "webinar_state_invalid_stop"
    INVALID_ARCHIVE = "webinar_state_invalid_archive"
    INVALID_REWIND = "webinar_state_invalid_rewind"
    INVALID_RESTART = "webinar_state_invalid_restart"
    LOCKED = "webinar_state_locked"
    CTA_INVALID_STATE = "webinar_cta_invalid_state"
    WITHDRAWN = "webinar_withdrawn"
    STATUS_INVALID = "webinar_status_invalid"
    MUTATION_FORBIDDEN = "webinar_status_mutation_forbidden"
    NOT_FOUND = "webinar_not_found"
    FORBIDDEN = "forbidden"
    # The contract names no code for these:
    INCOMPLETE = "webinar_incomplete"
    SEATS_CLOSED = "webinar_seats_closed"
    RECORDING_INVALID_STATE = "webinar_recording_invalid_state"
    RECORDING_NOT_READY = "webinar_recording_not_ready"
    WATCH_INVALID_STATE = "webinar_watch_invalid_state"
    # The room's talk:
    TALK_OFF = "talk_off"
    TALK_CLOSED = "talk_closed"
    TALK_QUESTIONS_ONLY = "talk_questions_only"
    TALK_LINKS = "talk_links"
    TALK_TOO_FAST = "talk_too_fast"
    TALK_BUSY = "talk_busy"
    TOO_MANY_QUESTIONS = "too_many_questions"
    MESSAGE_NOT_FOUND = "message_not_found"
    MESSAGE_INVALID_STATE = "message_invalid_state"
    PERSON_NOT_FOUND = "person_not_found"
    PERSON_MODERATES = "person_moderates"


class ActionRefused(Exception):
    """An action is refused; nothing has changed."""

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Context:
    """The person who acts (`actor_id`, None for the system), the channel, the time of the request and its IP address.

    The ledger records its own time under the row's lock, so that its order is the order of the changes.
    """

    actor_id: int | None
    source: Source
    timestamp: datetime = field(default_factory=clock.now)
    address: str = ""

    def __post_init__(self) -> None:
        if self.actor_id is None and self.source is Source.WEB:
            raise ActionRefused(Code.FORBIDDEN, "an action from the web needs an actor")


@dataclass(frozen=True, slots=True)
class CoreWebinarSetStatus:
    """`core_webinar_set_status`: start or stop a webinar."""

    webinar_id: int
    status: str
    context: Context

    def __post_init__(self) -> None:
        if self.status not in {"start", "stop"}:
            raise ActionRefused(Code.STATUS_INVALID, "the status must be start or stop")


@dataclass(frozen=True, slots=True)
class CoreWebinarSetCtaVisibility:
    """`core_webinar_set_cta_visibility`: show or hide the room's call-to-action."""

    webinar_id: int
    visible: bool
    context: Context
