"""The two inbound actions, as typed payloads, and everything that can be refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from efir.lib import clock


class Source(StrEnum):
    """Through which door an action came in."""

    WEB = "web"
    CLI = "cli"
    SYSTEM = "system"


class Code(StrEnum):
    """Every refusal of the contract, by the code that callers see."""

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
    # Not in the contract's list, which names no code for these three:
    INCOMPLETE = "webinar_incomplete"
    SEATS_CLOSED = "webinar_seats_closed"
    RECORDING_INVALID_STATE = "webinar_recording_invalid_state"


class ActionRefused(Exception):
    """An action was refused and nothing has changed."""

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code.value}: {detail}" if detail else code.value)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Context:
    """Who acts (`actor_id`, none for the system), through which door, when they asked, and from which address.

    The ledger keeps when it was done, under the row's lock: its order is the order of the changes.
    """

    actor_id: int | None
    source: Source
    timestamp: datetime = field(default_factory=clock.now)
    address: str = ""

    def __post_init__(self) -> None:
        if self.actor_id is None and self.source is Source.WEB:
            raise ActionRefused(Code.FORBIDDEN, "an action from the web names its person")


@dataclass(frozen=True, slots=True)
class CoreWebinarSetStatus:
    """`core_webinar_set_status`: start or stop a webinar."""

    webinar_id: int
    status: str
    context: Context

    def __post_init__(self) -> None:
        if self.status not in {"start", "stop"}:
            raise ActionRefused(Code.STATUS_INVALID, "say start or stop")


@dataclass(frozen=True, slots=True)
class CoreWebinarSetCtaVisibility:
    """`core_webinar_set_cta_visibility`: show or hide the room's call-to-action."""

    webinar_id: int
    visible: bool
    context: Context
