"""What the clients of one evening know: their requests, the responses, and the faults of the server.

Every moment is in seconds of the client's own monotonic clock since the doors opened. What the client cannot know
exactly is a `Window`: the earliest and the latest moment at which it may have happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

NEVER = float("inf")


class Window(NamedTuple):
    """A moment that lies between `earliest` and `latest`."""

    earliest: float
    latest: float


@dataclass
class Request:
    """A request that changes something, such as booking a seat; `status` is 0 if no answer came."""

    asked: float
    answered: float = NEVER
    status: int = 0

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 400

    @property
    def may_have_succeeded(self) -> bool:
        return self.succeeded or self.status in (0, 502, 503, 504)


@dataclass
class Stream:
    """One connection to the room.

    `accepted`: the head of the response was received. `shut`: the client began to close it. `ended`: the server
    closed it, too, or the connection broke.
    """

    process: int
    watching: bool
    asked: float
    accepted: float = NEVER
    shut: float = NEVER
    ended: float = NEVER
    refused: bool = False


@dataclass
class Story:
    """Everything that one person did. `kind` names the script, for the reader of a report."""

    login: str
    kind: str
    is_lead: bool = True
    seat: Request | None = None
    openings: list[Request] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)


@dataclass(frozen=True)
class Blindness:
    """A period in which one web process recorded nothing.

    `kind` is `killed`, `stopped` (it ended cleanly, and was down), `frozen`, or `stalled` (no fault of ours: it did not
    answer). A killed or stopped process begins again at `until`; a frozen one goes on with what it has in memory.
    """

    process: int
    kind: str
    since: Window
    until: Window


@dataclass
class Evidence:
    """What was done to the webinar and to the server. `live`: when each period of live time began and ended.

    `slack_s`: how far the server's clock may be from the client's. `flush_s`: how long the server may take to notice
    and to write what it sees; the driver adds what the slowest answer took outside all faults.
    """

    grace_s: float
    min_watched: float
    processes: int
    live: list[tuple[Window, Window]] = field(default_factory=list)
    stop: Window = field(default_factory=lambda: Window(NEVER, NEVER))
    blindness: list[Blindness] = field(default_factory=list)
    database_away: list[Window] = field(default_factory=list)
    clock_jumped: bool = False
    slack_s: float = 0.5
    flush_s: float = 2.5


@dataclass(frozen=True)
class Served:
    """The server's verdict on one person, as its command line prints it."""

    reason: str
    attended: bool | None
    rule: str
    present_s: float
    intervals: tuple[tuple[str, str], ...]
    why_unknown: str = ""
    recomputed: str | None = None
    watched_s: float | None = None
