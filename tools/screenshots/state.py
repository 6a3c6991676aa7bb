"""What one page in one state is: an entry of the catalogue, and the moment at which all of them are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tools.screenshots.actions import Action

# A Monday, 18:20 in Moscow. The clock is frozen, so that a page is the same each time.
NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)
# Logged in long ago.
LATE = "alone"


@dataclass(frozen=True, kw_only=True)
class State:
    """One page in one state.

    `path` may contain placeholders for the fixture's values. `login`: the visitor, "" for a guest. `action`: what they
    do on the page. `ready`: a selector that appears once the state is reached. `status`: HTTP status of the last page
    loaded. `failing_url`: part of a URL whose requests fail in this state. `exempt`: rules of axe that do not apply.
    """

    name: str
    path: str
    login: str = ""
    fixture: str = "evening"
    status: int = 200
    action: Action | None = None
    ready: str = "main"
    javascript: bool = True
    failing_url: str = ""
    exempt: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The test file that checks the state."""
        if self.name.startswith("room"):
            return "room"
        return "speaker" if self.login in ("speaker", "admin") else "people"
