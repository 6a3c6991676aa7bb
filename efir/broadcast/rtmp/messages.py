"""RTMP's chunk stream: messages are cut into chunks, so that a short one need not wait for a long one."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

# At 8 Mbit/s a key frame that comes every ten seconds may have a megabyte.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
# Before `publish` there are only commands of some hundred bytes: a client without a key must not fill the memory.
MAX_COMMAND_BYTES = 16 * 1024
# OBS and ffmpeg use five. Each may hold a message that is not complete.
MAX_CHUNK_STREAMS = 16
DEFAULT_CHUNK_SIZE = 128
MAX_CHUNK_SIZE = 0xFFFFFF
EXTENDED = 0xFFFFFF


class RtmpMessageType(IntEnum):
    """The types of messages that matter here (RTMP 1.0, sections 5.4 and 7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACKNOWLEDGEMENT_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    COMMAND_AMF3 = 17
    DATA = 18
    COMMAND = 20
    AGGREGATE = 22


class ProtocolError(Exception):
    """The peer does not speak RTMP, or exceeds a limit; the connection is closed."""


class RtmpMessage(NamedTuple):
    """One message; `timestamp` is in milliseconds of the stream's own clock."""

    type: int
    timestamp: int
    stream_id: int
    payload: bytes


@dataclass
class _ChunkStream:
    timestamp: int = 0
    delta: int = 0
    length: int = 0
    type: int = 0
    stream_id: int = 0
    extended: bool = False
    payload: bytearray = field(default_factory=bytearray)


class MessageReader:
    """Reads messages from a stream and handles those about the chunk stream itself. `received` counts bytes.

    `max_bytes`: the length of the longest message that is taken.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._streams: dict[int, _ChunkStream] = {}
        self._chunk_size = DEFAULT_CHUNK_SIZE
        self.received = 0
        self.max_bytes = MAX_COMMAND_BYTES

    async def read(self) -> RtmpMessage:
        """Return the next message that is not about chunks. Raises ProtocolError, and EOFError at the end."""
        while True:
            message = await self._read_chunk()
            if message is None:
                continue
            if message.type == RtmpMessageType.SET_CHUNK_SIZE:
                self._chunk_size = min(_uint32(message.payload) & 0x7FFFFFFF, MAX_CHUNK_SIZE)
                if not self._chunk_size:
                    raise ProtocolError("a chunk size of 0")
            elif message.type == RtmpMessageType.ABORT:
                self._streams.pop(_uint32(message.payload), None)
            else:
                return message

    async def _read_chunk(self) -> RtmpMessage | None:
        """Read one chunk; return the message that it completes."""
        first = (await self._take(1))[0]
        header_type, chunk_stream_id = first >> 6, first & 0x3F
        if chunk_stream_id < 2:
            more = await self._take(1 + chunk_stream_id)
            chunk_stream_id = 64 + int.from_bytes(more, "little")
        stream = self._streams.get(chunk_stream_id)
        if stream is None:
            if header_type == 3 or len(self._streams) >= MAX_CHUNK_STREAMS:
                raise ProtocolError("too many chunk streams, or one without a beginning")
            stream = self._streams[chunk_stream_id] = _ChunkStream()
        await self._read_header(stream, header_type)
        size = min(self._chunk_size, stream.length - len(stream.payload))
        stream.payload += await self._take(size)
        if len(stream.payload) < stream.length:
            return None
        message = RtmpMessage(stream.type, stream.timestamp, stream.stream_id, bytes(stream.payload))
        stream.payload.clear()
        return message

    async def _read_header(self, stream: _ChunkStream, header_type: int) -> None:
        """Read the message header: types 0 to 3 omit more and more of the unchanged fields."""
        is_start = not stream.payload
        if header_type == 3:
            # Encoders repeat the extended timestamp in every chunk, although the text of 2009 did not say so.
            if stream.extended:
                await self._take(4)
            if is_start:
                stream.timestamp = (stream.timestamp + stream.delta) & 0xFFFFFFFF
            return
        if not is_start:
            raise ProtocolError("a message begins before the previous one has ended")
        header = await self._take((11, 7, 3)[header_type])
        time = int.from_bytes(header[:3], "big")
        if header_type < 2:
            stream.length, stream.type = int.from_bytes(header[3:6], "big"), header[6]
            if stream.length > self.max_bytes:
                raise ProtocolError("the message is too long")
        if header_type == 0:
            stream.stream_id = int.from_bytes(header[7:11], "little")
        stream.extended = time == EXTENDED
        if stream.extended:
            time = _uint32(await self._take(4))
        # After a header of type 0 a header of type 3 repeats its timestamp as the delta (section 5.3.1.2.4).
        stream.delta = time
        stream.timestamp = time if header_type == 0 else (stream.timestamp + time) & 0xFFFFFFFF

    async def _take(self, count: int) -> bytes:
        data = await self._reader.readexactly(count)
        self.received += count
        return data


def encode_message(
    type_: int, payload: bytes, *, chunk_stream_id: int = 3, stream_id: int = 0, timestamp: int = 0
) -> bytes:
    """Return a short message in chunks of the default size."""
    header = struct.pack(">B", chunk_stream_id) + timestamp.to_bytes(3, "big")
    header += len(payload).to_bytes(3, "big") + bytes([type_]) + stream_id.to_bytes(4, "little")
    separator = bytes([0xC0 | chunk_stream_id])
    parts = [
        payload[start : start + DEFAULT_CHUNK_SIZE] for start in range(0, len(payload), DEFAULT_CHUNK_SIZE)
    ]
    return header + separator.join(parts)


def _uint32(payload: bytes) -> int:
    if len(payload) < 4:
        raise ProtocolError("a control message is too short")
    return int.from_bytes(payload[:4], "big")
