"""One RTMP connection: the handshake, the commands of a publisher, and then its audio and video."""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from efir.broadcast.rtmp import amf0
from efir.broadcast.rtmp.messages import (
    MAX_MESSAGE_BYTES,
    MessageReader,
    ProtocolError,
    RtmpMessage,
    RtmpMessageType,
    encode_message,
)
from efir.broadcast.rtmp.publication import Publication

VERSION = 3
HANDSHAKE_BYTES = 1536
# From the first byte to `publish`. An encoder takes a few round trips.
PUBLISH_WITHIN_S = 10.0
# An encoder sends sound all the time. After this long without data it counts as gone.
SILENT_S = 15.0
# After this many bytes each side acknowledges them; the value that other servers use.
WINDOW_BYTES = 2_500_000
STREAM_ID = 1

# Returns the publication for a stream key, or None if the key opens nothing now.
Admit: TypeAlias = Callable[[str], Awaitable[Publication | None]]


class Refused(Exception):
    """The publisher is refused; the message goes to the encoder."""


class Connection:
    """Serves one encoder from the first byte to the last."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, admit: Admit) -> None:
        self._reader, self._writer, self._admit = reader, writer, admit
        self._messages = MessageReader(reader)
        self._acknowledged = 0
        self._publication: Publication | None = None

    async def serve(self) -> None:
        """Serve until the encoder leaves.

        Raises ProtocolError, AmfError, Refused, UnsupportedCodec or TimeoutError if the encoder is at fault.
        """
        try:
            async with asyncio.timeout(PUBLISH_WITHIN_S):
                await self._shake_hands()
                while not self._publication:
                    await self._handle(await self._messages.read())
            while self._publication:
                async with asyncio.timeout(SILENT_S):
                    message = await self._messages.read()
                await self._handle(message)
                self._acknowledge()
        except (EOFError, ConnectionError):
            pass  # the encoder disconnected without closing, as many do
        finally:
            if self._publication:
                await self._publication.end()

    async def _shake_hands(self) -> None:
        """Exchange the three parts of the handshake (RTMP 1.0, section 5.2); nothing in it is secret."""
        if (await self._reader.readexactly(1))[0] != VERSION:
            raise ProtocolError("not RTMP")
        theirs = await self._reader.readexactly(HANDSHAKE_BYTES)
        ours = bytes(8) + secrets.token_bytes(HANDSHAKE_BYTES - 8)
        self._writer.write(bytes([VERSION]) + ours + theirs)
        await self._writer.drain()
        await self._reader.readexactly(HANDSHAKE_BYTES)

    async def _handle(self, message: RtmpMessage) -> None:
        if message.type in (RtmpMessageType.AUDIO, RtmpMessageType.VIDEO):
            if not self._publication:
                raise ProtocolError("media before publish")
            await self._publication.add(message, time.monotonic())
        elif message.type == RtmpMessageType.COMMAND:
            await self._command(amf0.decode(message.payload))
        elif message.type in (RtmpMessageType.COMMAND_AMF3, RtmpMessageType.AGGREGATE):
            raise ProtocolError("AMF 3 and aggregate messages are not supported")

    async def _command(self, values: list[amf0.Value]) -> None:
        name, transaction, *rest = [*values, None, None]
        match name:
            case "connect":
                self._send(RtmpMessageType.WINDOW_ACKNOWLEDGEMENT_SIZE, struct.pack(">I", WINDOW_BYTES), 2)
                self._send(RtmpMessageType.SET_PEER_BANDWIDTH, struct.pack(">IB", WINDOW_BYTES, 2), 2)
                properties: amf0.Value = {"fmsVer": "FMS/3,0,1,123", "capabilities": 31}
                self._reply(transaction, properties, _status("NetConnection.Connect.Success"))
            case "createStream":
                self._reply(transaction, None, STREAM_ID)
            case "publish" if not self._publication:
                await self._publish(str(rest[1]) if len(rest) > 1 and rest[1] else "")
            case "publish" | "play":
                raise ProtocolError(f"an unexpected {name}")
            case "FCUnpublish" | "deleteStream" | "closeStream":
                if self._publication:
                    publication, self._publication = self._publication, None
                    await publication.end()
            case _:  # releaseStream, FCPublish, _checkbw and others only need a response
                self._reply(transaction, None, None)
        await self._writer.drain()

    async def _publish(self, key: str) -> None:
        """Look the key up before any media is taken."""
        # nginx-rtmp and some encoders add a query to the name.
        self._publication = await self._admit(key.partition("?")[0])
        if self._publication is None:
            await self._say(_status("NetStream.Publish.BadName", "error"))
            raise Refused("the key opens nothing")
        self._messages.max_bytes = MAX_MESSAGE_BYTES
        await self._say(_status("NetStream.Publish.Start"))

    async def _say(self, status: amf0.Value) -> None:
        payload = amf0.encode(["onStatus", 0, None, status])
        self._writer.write(
            encode_message(RtmpMessageType.COMMAND, payload, chunk_stream_id=5, stream_id=STREAM_ID)
        )
        with suppress(ConnectionError):
            await self._writer.drain()

    def _reply(self, transaction: amf0.Value, *values: amf0.Value) -> None:
        self._send(RtmpMessageType.COMMAND, amf0.encode(["_result", transaction, *values]))

    def _send(self, type_: RtmpMessageType, payload: bytes, chunk_stream_id: int = 3) -> None:
        self._writer.write(encode_message(type_, payload, chunk_stream_id=chunk_stream_id))

    def _acknowledge(self) -> None:
        received = self._messages.received
        if received - self._acknowledged >= WINDOW_BYTES // 2:
            self._acknowledged = received
            self._send(RtmpMessageType.ACKNOWLEDGEMENT, struct.pack(">I", received & 0xFFFFFFFF), 2)


def _status(code: str, level: str = "status") -> amf0.Value:
    return {"level": level, "code": code, "description": ""}
