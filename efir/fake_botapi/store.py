"""An append-only file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from efir.fake_botapi.errors import Json


class Store:
    """Keeps events, each as one line, in a file that is made with the first of them (mode 600)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def replay(self) -> Iterator[Json]:
        """All kept events, oldest first. A last line that was cut short by a crash is removed.

        Raises ValueError, naming file and line, where another line cannot be read.
        """
        if not self.path.exists():
            return
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            self.path.write_bytes(whole)
        for number, line in enumerate(whole.splitlines(), start=1):
            yield self._event(number, line)

    def append(self, event: Json) -> None:
        """Adds one event; it is in the file, though perhaps not yet on the disk, when this returns."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
        with self.path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(event) + "\n")

    def _event(self, number: int, line: bytes) -> Json:
        try:
            event = json.loads(line)
        except ValueError as exc:
            raise ValueError(
                f"{self.path}, line {number}: not a JSON object; remove the file to start over"
            ) from exc
        if not isinstance(event, dict):
            raise ValueError(f"{self.path}, line {number}: not a JSON object; remove the file to start over")
        return event
