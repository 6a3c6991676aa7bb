"""One disagreement, and the comparison of two long lists that should say the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Key: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Issue:
    """What disagrees: the part, the ids by their names, what is wrong, and what to do."""

    part: str
    ids: Mapping[str, object]
    wrong: str
    todo: str

    def line(self) -> str:
        """For the command line."""
        ids = " ".join(f"{name}={value}" for name, value in self.ids.items())
        return f"{self.part} {ids}: {self.wrong}. To do: {self.todo}."


def differences(
    left: Iterable[tuple[Key, Any]], right: Iterable[tuple[Key, Any]]
) -> Iterator[tuple[Key, Any, Any]]:
    """Where two lists, each in the order of its keys and with each key once, differ: (key, left's, right's).

    None stands for a key that one of them does not have. Both are read once, side by side.
    """
    lefts, rights = iter(left), iter(right)
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None  # noqa: S101  # the loop's condition
            yield one[0], one[1], None
            one = next(lefts, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other[1]
            other = next(rights, None)
        else:
            if one[1] != other[1]:
                yield one[0], one[1], other[1]
            one, other = next(lefts, None), next(rights, None)
