"""RTMP without a network: AMF 0, messages in chunks, a publication in FLV; and what a hostile encoder sends."""

from __future__ import annotations

import asyncio
import random
import struct

import pytest

from efir.broadcast.rtmp import amf0, flv
from efir.broadcast.rtmp.connection import Connection, Refused
from efir.broadcast.rtmp.messages import (
    MAX_COMMAND_BYTES,
    MAX_MESSAGE_BYTES,
    MessageReader,
    ProtocolError,
    RtmpMessage,
    RtmpMessageType,
    encode_message,
)
from efir.broadcast.rtmp.publication import BURST_BYTES, Publication

VIDEO_PARAMETERS = b"\x17\x00\x00\x00\x00parameters"
AUDIO_PARAMETERS = b"\xaf\x00\x11\x88"
KEY, DELTA, SOUND = b"\x17\x01\x00\x00\x00key", b"\x27\x01\x00\x00\x00delta", b"\xaf\x01sound"


def read_all(data: bytes) -> list[RtmpMessage]:
    async def scenario() -> list[RtmpMessage]:
        stream = asyncio.StreamReader()
        stream.feed_data(data)
        stream.feed_eof()
        reader, found = MessageReader(stream), []
        reader.max_bytes = MAX_MESSAGE_BYTES
        try:
            while True:
                found.append(await reader.read())
        except EOFError:
            return found

    return asyncio.run(scenario())


def test_amf_survives_a_round_trip():
    values = ["connect", 1, {"app": "live", "fpad": False, "nothing": None, "deep": {"n": 0.5}}, None, True]
    assert amf0.decode(amf0.encode(values)) == values


@pytest.mark.parametrize(
    "data",
    [
        b"\x02\xff\xffcut off",
        b"\x00\x01",
        b"\x0a\xff\xff\xff\xff\x05",
        b"\x03\x00\x01a" * 20,
        b"\x0a\x00\x00\x00\x01" * 20,
        b"\x42",
        b"\x03\x00\x00\x05",
    ],
)
def test_amf_refuses_other_bytes(data):
    with pytest.raises(amf0.AmfError):
        amf0.decode(data)


def test_random_bytes_are_refused_and_nothing_else():
    chance = random.Random(17)  # noqa: S311  # repeatable
    for _ in range(2000):
        data = chance.randbytes(chance.randrange(60))
        try:
            amf0.decode(data)
        except amf0.AmfError:
            pass
        try:
            read_all(data)
        except ProtocolError:
            pass


def test_messages_are_read_from_interleaved_chunks():
    long = bytes(range(250))
    first = encode_message(RtmpMessageType.VIDEO, long, chunk_stream_id=6, timestamp=1000)
    short = encode_message(RtmpMessageType.AUDIO, b"sound", chunk_stream_id=4, timestamp=990)
    head, rest = first[: 12 + 128], first[12 + 128 :]
    assert [(each.type, each.timestamp, each.payload) for each in read_all(head + short + rest)] == [
        (RtmpMessageType.AUDIO, 990, b"sound"),
        (RtmpMessageType.VIDEO, 1000, long),
    ]


def test_headers_omit_unchanged_fields():
    first = encode_message(RtmpMessageType.AUDIO, b"one", chunk_stream_id=4, timestamp=100)
    later = b"\x44" + (20).to_bytes(3, "big") + (3).to_bytes(3, "big") + b"\x08two"
    shorter = b"\x84" + (30).to_bytes(3, "big") + b"six"
    same = b"\xc4ten"
    times = [each.timestamp for each in read_all(first + later + shorter + same)]
    assert times == [100, 120, 150, 180]


def test_extended_timestamp_is_in_every_chunk():
    time = 0x01000000
    header = (
        b"\x06\xff\xff\xff" + (200).to_bytes(3, "big") + b"\x09\x01\x00\x00\x00" + struct.pack(">I", time)
    )
    data = header + b"a" * 128 + b"\xc6" + struct.pack(">I", time) + b"b" * 72
    (message,) = read_all(data)
    assert (message.timestamp, message.payload) == (time, b"a" * 128 + b"b" * 72)


def test_chunk_size_changes():
    size = encode_message(RtmpMessageType.SET_CHUNK_SIZE, struct.pack(">I", 4096), chunk_stream_id=2)
    header = b"\x06\x00\x00\x00" + (3000).to_bytes(3, "big") + b"\x09\x01\x00\x00\x00"
    (message,) = read_all(size + header + b"x" * 3000)
    assert len(message.payload) == 3000


@pytest.mark.parametrize(
    "data",
    [
        b"\x06\x00\x00\x00" + (MAX_MESSAGE_BYTES + 1).to_bytes(3, "big") + b"\x09\x01\x00\x00\x00",
        encode_message(RtmpMessageType.SET_CHUNK_SIZE, bytes(4), chunk_stream_id=2),
        encode_message(RtmpMessageType.SET_CHUNK_SIZE, b"", chunk_stream_id=2),
        b"\xc6",
        b"".join(
            encode_message(RtmpMessageType.AUDIO, b"x", chunk_stream_id=number) for number in range(3, 40)
        ),
    ],
)
def test_limits_of_messages(data):
    with pytest.raises(ProtocolError):
        read_all(data)


class Kept:
    """A container in memory."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.ended = False

    async def accept(self, data: bytes) -> None:
        self.chunks.append(data)

    async def end(self) -> None:
        self.ended = True


def publish(*messages: tuple[int, int, bytes], per_message_s: float = 0.01) -> list[Kept]:
    """Publish (type, timestamp, payload) and end; return the containers."""
    opened: list[Kept] = []

    async def open_container() -> Kept:
        opened.append(Kept())
        return opened[-1]

    async def scenario() -> None:
        publication = Publication(open_container)
        for number, (type_, timestamp, payload) in enumerate(messages):
            await publication.add(RtmpMessage(type_, timestamp, 1, payload), 1 + number * per_message_s)
        await publication.end()

    asyncio.run(scenario())
    return opened


PARAMETERS = ((9, 0, VIDEO_PARAMETERS), (8, 0, AUDIO_PARAMETERS))


def test_container_begins_with_parameters_alone_and_chunks_with_tags():
    media = [(9, number * 100, DELTA if number % 10 else KEY) for number in range(30)]
    (kept,) = publish(*PARAMETERS, *media)
    head, *chunks = kept.chunks
    expected = flv.HEADER + flv.tag(9, 0, VIDEO_PARAMETERS) + flv.tag(8, 0, AUDIO_PARAMETERS)
    assert head == expected
    assert b"".join(chunks) == b"".join(flv.tag(*each) for each in media)
    assert all(chunk[0] in (8, 9) for chunk in chunks)
    assert len(chunks) == 6  # of half a second each
    assert kept.ended


def test_changed_parameters_open_another_container():
    first, second = publish(*PARAMETERS, (9, 0, KEY), (9, 40, VIDEO_PARAMETERS + b"!"), (9, 80, KEY))
    assert first.ended
    assert VIDEO_PARAMETERS + b"!" in second.chunks[0]
    assert AUDIO_PARAMETERS in second.chunks[0]


def test_repeated_parameters_change_nothing():
    assert len(publish(*PARAMETERS, (9, 0, KEY), (9, 40, VIDEO_PARAMETERS), (9, 80, KEY))) == 1


def test_sound_alone_opens_nothing():
    assert publish((8, 0, AUDIO_PARAMETERS), (8, 20, SOUND), (8, 3000, SOUND)) == []


@pytest.mark.parametrize("payload", [b"\x12\x01vp6", b"\x90hvc1hevc", b"\x1c\x01hevc"])
def test_other_codecs_are_refused(payload):
    with pytest.raises(flv.UnsupportedCodec):
        publish((9, 0, payload))
    with pytest.raises(flv.UnsupportedCodec):
        publish((8, 0, b"\x2fmp3"))


def test_more_than_the_limit_is_refused():
    large = KEY + bytes(BURST_BYTES // 4)
    with pytest.raises(ProtocolError):
        publish(*PARAMETERS, *((9, number, large) for number in range(6)))
    assert publish(*PARAMETERS, *((9, number, large) for number in range(6)), per_message_s=3)


def converse(*messages: bytes) -> tuple[list[str], BaseException | None]:
    """Let an encoder say this after the handshake; return the keys that were looked up, and how it ended."""
    keys: list[str] = []

    async def admit(key: str) -> Publication | None:
        keys.append(key)
        return None

    async def scenario() -> BaseException | None:
        ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await Connection(reader, writer, admit).serve()
                ended.set_result(None)
            except Exception as exc:
                ended.set_result(exc)
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"\x03" + bytes(1536) + bytes(1536) + b"".join(messages))
            writer.write_eof()
            outcome = await ended
            writer.close()
            return outcome

    return keys, asyncio.run(scenario())


def command(*values: amf0.Value) -> bytes:
    return encode_message(RtmpMessageType.COMMAND, amf0.encode(values))


def test_key_is_looked_up_before_any_media():
    said = [command("connect", 1, {"app": "live"}), command("createStream", 2, None)]
    media = encode_message(RtmpMessageType.VIDEO, KEY)
    keys, outcome = converse(*said, command("publish", 3, None, "wrong?x=1", "live"), media)
    assert keys == ["wrong"]
    assert isinstance(outcome, Refused)
    keys, outcome = converse(*said, media)
    assert (keys, type(outcome)) == ([], ProtocolError)


def test_long_messages_need_a_key():
    header = b"\x06\x00\x00\x00" + (MAX_COMMAND_BYTES + 1).to_bytes(3, "big") + b"\x14\x01\x00\x00\x00"
    keys, outcome = converse(command("connect", 1, {"app": "live"}), header)
    assert (keys, str(outcome)) == ([], "the message is too long")


def test_other_protocols_are_refused():
    async def scenario() -> BaseException:
        reader = asyncio.StreamReader()
        reader.feed_data(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ProtocolError) as refused:
            await Connection(reader, None, None).serve()
        return refused.value

    assert str(asyncio.run(scenario())) == "not RTMP"
