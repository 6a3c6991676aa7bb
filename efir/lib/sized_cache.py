"""A cache that is bounded by the size of what it holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class SizedCache(Generic[V]):
    """Values by key, up to `max_bytes` in all; the one that was not used for longest is evicted first."""

    def __init__(self, max_bytes: int, size: Callable[[V], int]) -> None:
        """`size`: returns the bytes of a value."""
        self._max_bytes, self._size = max_bytes, size
        self._values: OrderedDict[str, V] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> V | None:
        """Return a value, which counts as its use, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: str, value: V) -> None:
        """Keep a value, in place of an earlier one of this key."""
        if (earlier := self._values.pop(key, None)) is not None:
            self._bytes -= self._size(earlier)
        self._values[key] = value
        self._bytes += self._size(value)
        while self._bytes > self._max_bytes:
            _, oldest = self._values.popitem(last=False)
            self._bytes -= self._size(oldest)
