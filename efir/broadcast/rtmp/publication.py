"""One publication: audio and video messages become chunks of an FLV byte stream, in the order they came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from efir.broadcast.rtmp import flv
from efir.broadcast.rtmp.messages import ProtocolError, RtmpMessage

# A chunk is a row in the database: half a second is little delay, and two commits a second.
CHUNK_MS = 500
MAX_CHUNK_BYTES = 1024 * 1024
# The decoder's parameters of picture and sound come first. An encoder without sound sends those of the picture alone.
WAIT_FOR_PARAMETERS_MS = 1000
# Efir's limit for a broadcast (8 Mbit/s), with room for a burst after a slow line.
MAX_BYTES_PER_S = 1_000_000
BURST_BYTES = 8 * MAX_BYTES_PER_S


class ChunkReceiver(Protocol):
    """The receiver of chunks: a session of the broadcast. `accept` returns once the chunk is queued."""

    async def accept(self, data: bytes) -> None:
        """Keep the next chunk."""

    async def end(self) -> None:
        """End the session."""


class Publication:
    """Cuts the messages of one publisher into chunks; opens another container if the encoder changes its parameters.

    Each container begins with a chunk of its own: the FLV header and the decoder's parameters. Every later chunk begins
    with a tag, so that a reader can begin at any of them.
    """

    def __init__(self, open_container: Callable[[], Awaitable[ChunkReceiver]]) -> None:
        self._open_container = open_container
        self._container: ChunkReceiver | None = None
        self._parameters: dict[int, bytes] = {}
        self._chunk = bytearray()
        self._chunk_since = 0
        self._allowance = float(BURST_BYTES)
        self._heard_at = 0.0

    async def add(self, message: RtmpMessage, now: float) -> None:
        """Take one audio or video message at `now` (monotonic seconds).

        Raises ProtocolError beyond the limit of the rate, and UnsupportedCodec.
        """
        self._count(len(message.payload), now)
        if len(message.payload) < 2:
            return
        flv.check_codec(message.type, message.payload)
        if flv.is_sequence_header(message.payload):
            await self._set_parameters(message)
            return
        if not self._chunk:
            self._chunk_since = message.timestamp
        elif self._is_full(message):
            await self._flush()
            self._chunk_since = message.timestamp
        self._chunk += flv.tag(message.type, message.timestamp, message.payload)

    async def end(self) -> None:
        """Hand over the last chunk and end the session."""
        await self._flush()
        await self._close()

    def _count(self, size: int, now: float) -> None:
        if self._heard_at:
            refill = (now - self._heard_at) * MAX_BYTES_PER_S
            self._allowance = min(self._allowance + refill, BURST_BYTES)
        self._heard_at = now
        self._allowance -= size
        if self._allowance < 0:
            raise ProtocolError("more than 8 Mbit/s")

    def _is_full(self, message: RtmpMessage) -> bool:
        is_key_frame = flv.is_key_frame(message.type, message.payload)
        # A clock that goes back also ends the chunk.
        too_long = not 0 <= message.timestamp - self._chunk_since < self._chunk_ms
        return is_key_frame or too_long or len(self._chunk) >= MAX_CHUNK_BYTES

    @property
    def _chunk_ms(self) -> int:
        is_waiting = self._container is None and len(self._parameters) < 2
        return WAIT_FOR_PARAMETERS_MS if is_waiting else CHUNK_MS

    async def _set_parameters(self, message: RtmpMessage) -> None:
        before = self._parameters.get(message.type)
        if before == message.payload:
            return
        if self._container or before is not None:
            await self.end()
        self._parameters[message.type] = message.payload

    async def _flush(self) -> None:
        if not self._chunk:
            return
        chunk, self._chunk = bytes(self._chunk), bytearray()
        if not self._container:
            if flv.VIDEO_TAG not in self._parameters:
                return  # nothing of it can be decoded
            self._container = await self._open_container()
            tags = [flv.tag(type_, self._chunk_since, data) for type_, data in self._parameters.items()]
            await self._container.accept(flv.HEADER + b"".join(tags))
        await self._container.accept(chunk)

    async def _close(self) -> None:
        if self._container:
            container, self._container = self._container, None
            await container.end()
