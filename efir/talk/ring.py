"""The last messages of one room, encoded, for viewers who join, reconnect, or are connected."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass

# The interface: what a viewer who comes or comes back gets.
SIZE = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as each kind of reader sees it; None if they must not get it.

    `author` is set only if the author sees something else than everybody.
    """

    number: int
    change: int
    person_id: int
    everybody: bytes | None
    moderating: bytes
    author: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: a person, or everybody (0), and whether they moderate."""

    person_id: int = 0
    moderates: bool = False

    def sees(self, entry: Entry) -> bytes | None:
        """Return the entry as this reader sees it."""
        if self.moderates:
            return entry.moderating
        if entry.author is not None and entry.person_id == self.person_id:
            return entry.author
        return entry.everybody


EVERYBODY = Reader()
MODERATING = Reader(moderates=True)


class Ring:
    """The entries that a viewer may still need, and the frames made of them.

    Kept are the last 100 messages, the last 100 that everybody sees, and the last 100 changes: the changes tell a
    viewer who reconnects that an older message was hidden meanwhile.
    """

    def __init__(self) -> None:
        self.cursor = 0  # the last change that is known
        self._changes = [0]  # those of the entries, in order
        self._entries: dict[int, Entry] = {}
        self._frames: dict[tuple[Reader, int | None], bytes] = {}

    def put(self, entries: Iterable[Entry], cursor: int) -> None:
        """Add or replace entries; `cursor` is the last change among everything that was read."""
        self._entries.update((entry.number, entry) for entry in entries)
        self.cursor = max(self.cursor, cursor)
        self._frames.clear()
        kept = self._entries.values()
        if len(kept) > SIZE:
            public = (entry for entry in kept if entry.everybody is not None)
            wanted = {
                *heapq.nlargest(SIZE, self._entries),
                *heapq.nlargest(SIZE, (entry.number for entry in public)),
                *(entry.number for entry in heapq.nlargest(SIZE, kept, key=lambda entry: entry.change)),
            }
            self._entries = {number: self._entries[number] for number in sorted(wanted)}
        self._changes = [0, *sorted(entry.change for entry in self._entries.values())]

    def frame(self, reader: Reader, after: int | None = None) -> bytes:
        """Return the frame with the entries after `after` (None: all) for this reader, or b"" if there are none.

        Of the last 100 messages, or of all changes since. Frames that many readers get are encoded once.
        """
        if after is not None:
            # Everybody between two changes lacks the same: there are few frames, whatever is asked for.
            after = self._changes[bisect_right(self._changes, after) - 1]
        key = self._shared(reader), after
        if key not in self._frames:
            entries = [entry for entry in self._entries.values() if after is None or entry.change > after]
            self._frames[key] = encode(entries, reader, self.cursor, SIZE if after is None else None)
        return self._frames[key]

    def _shared(self, reader: Reader) -> Reader:
        """Return the representative of all readers who see the same."""
        if reader.moderates:
            return MODERATING
        has_own = any(
            entry.author is not None and entry.person_id == reader.person_id
            for entry in self._entries.values()
        )
        return reader if has_own else EVERYBODY


def encode(entries: Collection[Entry], reader: Reader, cursor: int, most: int | None = None) -> bytes:
    """Encode the entries as one server-sent event, oldest first, or b"" if the reader sees none.

    `most`: only that many of the latest. `cursor` is the event's id.
    """
    seen = [(entry.number, data) for entry in entries if (data := reader.sees(entry)) is not None]
    if not seen:
        return b""
    seen.sort()
    data = b",".join(data for _, data in (seen[-most:] if most else seen))
    return b"id: %d\nevent: messages\ndata: [%s]\n\n" % (cursor, data)
