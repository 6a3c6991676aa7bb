"""A child's side of the pipes to its parent (`efir.broadcast.child`)."""

from __future__ import annotations

import json
from typing import Any, BinaryIO


class Pipes:
    """Frames come in: a length of four bytes, and as many bytes. Messages go out.

    A message is a length of four bytes, a JSON object, and the blobs whose sizes it names.
    """

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source, self._target = source, target

    def read_frame(self) -> bytes:
        """Return the next frame; empty at the end, or if the parent is gone."""
        head = self._source.read(4)
        return self._source.read(int.from_bytes(head, "big")) if len(head) == 4 else b""

    def send(self, message: dict[str, Any], *blobs: bytes) -> None:
        """Send a message with its blobs."""
        head = json.dumps(message | {"blobs": [len(blob) for blob in blobs]}).encode()
        self._target.write(b"".join((len(head).to_bytes(4, "big"), head, *blobs)))
        self._target.flush()
