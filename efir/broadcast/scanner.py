"""Find in a container's bytes its header, and the offsets from which a reader that knows the header can begin.

The scanner reads only the outermost structure. It runs in the child process, because its input is untrusted.
"""

from __future__ import annotations

from collections import deque

# A header holds the tracks and no media: a few hundred bytes, some kilobytes with every extension.
MAX_HEADER = 256 * 1024
# The number of offsets to remember: a reader begins at most a few seconds back, with up to a hundred FLV tags a second.
MAX_OFFSETS = 4096

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT, CLUSTER = 0x18538067, 0x1F43B675
FLV_SEQUENCE_HEADER = 0


class Unreadable(Exception):
    """The bytes are not a container of this kind."""


def container_kind(data: bytes) -> str:
    """Return "mp4", "webm" or "flv" if a container begins with these bytes, else an empty string."""
    if data[4:8] == b"ftyp":
        return "mp4"
    if data.startswith(EBML):
        return "webm"
    return "flv" if data.startswith(b"FLV\x01") else ""


class Scanner:
    """Scans a stream as it arrives. `offsets`: where a reader can begin, after the header."""

    def __init__(self) -> None:
        self.header = b""
        self.has_header = False
        self.offsets: deque[int] = deque(maxlen=MAX_OFFSETS)
        self._next = 0  # offset of the next element
        self._buffer = bytearray()
        self._buffer_at = 0  # offset of the buffer's first byte

    def feed(self, data: bytes) -> None:
        """Take more bytes. Raises Unreadable."""
        self._buffer += data
        while True:
            skip = self._next - self._buffer_at
            if skip > 0:
                dropped = min(skip, len(self._buffer))
                if not self.has_header:
                    self._add_header(bytes(self._buffer[:dropped]))
                del self._buffer[:dropped]
                self._buffer_at += dropped
                if dropped < skip:
                    return
            size = self._element(self._buffer)
            if size is None:
                if len(self._buffer) > MAX_HEADER:
                    raise Unreadable
                return
            self._next = self._buffer_at + size

    def begin_before(self, offset: int) -> int:
        """Return the last offset up to this one from which a reader can begin."""
        return max((each for each in self.offsets if each <= offset), default=0)

    def _add_header(self, data: bytes) -> None:
        self.header += data
        if len(self.header) > MAX_HEADER:
            raise Unreadable

    def _begins_media(self) -> None:
        self.has_header = True
        self.offsets.append(self._buffer_at)

    def _element(self, head: bytearray) -> int | None:
        """Return the size of the element that begins with these bytes; None if more of it is needed."""
        raise NotImplementedError


class Mp4Scanner(Scanner):
    """Fragmented MP4: the header ends at the first `moof`."""

    def _element(self, head: bytearray) -> int | None:
        if len(head) < 16:
            return None
        size, name = int.from_bytes(head[:4], "big"), bytes(head[4:8])
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size < 8:  # 0 means up to the end of the file, but a stream has no end
            raise Unreadable
        if name == b"moof":
            self._begins_media()
        elif name == b"mdat" and not self.has_header:  # not fragmented: its index comes at the end
            raise Unreadable
        return size


class WebmScanner(Scanner):
    """Matroska: the header ends at the first cluster."""

    def _element(self, head: bytearray) -> int | None:
        if len(head) < 12:
            return None
        name, used = _ebml_id(head)
        size, length = _ebml_size(head, used)
        used += length
        if name == SEGMENT:
            return used
        if name == CLUSTER:
            self._begins_media()
            return used if size is None else used + size
        if size is None:
            raise Unreadable
        return used + size


class FlvScanner(Scanner):
    """FLV: the header are its first tags, with the codecs' sequence headers; every later tag is a beginning."""

    def _element(self, head: bytearray) -> int | None:
        if len(head) < 13:
            return None
        if not self._next:
            return 13
        kind, size = head[0], int.from_bytes(head[1:4], "big")
        if kind not in (8, 9, 18):
            raise Unreadable
        if kind != 18 and head[12] != FLV_SEQUENCE_HEADER:
            self._begins_media()
        return 15 + size


SCANNERS: dict[str, type[Scanner]] = {"mp4": Mp4Scanner, "webm": WebmScanner, "flv": FlvScanner}


def _ebml_id(data: bytearray) -> tuple[int, int]:
    length = 9 - data[0].bit_length()
    if length > 4:
        raise Unreadable
    return int.from_bytes(data[:length], "big"), length


def _ebml_size(data: bytearray, at: int) -> tuple[int | None, int]:
    length = 9 - data[at].bit_length()
    if length > 8:
        raise Unreadable
    value = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    return (None if value == (1 << 7 * length) - 1 else value), length
