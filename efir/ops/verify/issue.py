"""The issues that `efir verify` reports, and the comparison of two sorted lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

FROM_BACKUP = "restore the last backup in which `efir verify` finds nothing wrong"

Key: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Issue:
    """A part of the database, the ids of its row by their names, what is wrong, and what to do."""

    part: str
    ids: Mapping[str, object]
    wrong: str
    todo: str = FROM_BACKUP

    def line(self) -> str:
        """Format the issue for the command line."""
        ids = " ".join(f"{name}={value}" for name, value in self.ids.items())
        return f"{self.part} {ids}: {self.wrong}. To do: {self.todo}."


def lead_ids(key: Key) -> dict[str, object]:
    """Name the ids of a (webinar, lead) key."""
    return dict(zip(("webinar", "lead"), key, strict=True))


def differences(
    left: Iterable[tuple[Key, Any]], right: Iterable[tuple[Key, Any]]
) -> Iterator[tuple[Key, Any, Any]]:
    """Yield (key, left value, right value) where two lists of (key, value) differ; None for a missing key.

    Both must be sorted by key, with each key once. Each is read once, side by side, so neither has to fit in memory.
    """
    lefts, rights = ((key, 0, value) for key, value in left), ((key, 1, value) for key, value in right)
    for key, group in groupby(merge(lefts, rights, key=itemgetter(0, 1)), key=itemgetter(0)):
        values = {side: value for _, side, value in group}
        if values.get(0) != values.get(1):
            yield key, values.get(0), values.get(1)
