"""Containers become segments: every frame, the right times, and nothing that is not taken."""

from __future__ import annotations

import random
from io import BytesIO
from itertools import pairwise

import av
import pytest

from efir.broadcast import cutter, limits
from efir.broadcast.scanner import SCANNERS, container_kind
from tests.support.recorder import chunks_of, container, count_frames, cut_evenly, record
from tests.support.segmenting import cut

KINDS = {
    "mp4": {},
    "webm": {},
    "flv": {"audio": "aac", "b_frames": 2},
}


def packets(files, kind):
    with av.open(BytesIO(b"".join(files))) as played:
        stream = next(each for each in played.streams if each.type == kind)
        return [
            (float(packet.dts * packet.time_base), float(packet.duration * packet.time_base))
            for packet in played.demux(stream)
            if packet.dts is not None
        ]


def assert_no_holes(found, kind):
    times = packets(found.files, kind)
    holes = [begin for (before, lasts), (begin, _) in pairwise(times) if abs(begin - before - lasts) > 0.003]
    assert holes == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_is_there_without_a_hole(kind):
    found = cut(record(kind, 6, **KINDS[kind]), kind)
    assert (found.fault, found.ended) == ("", True)
    assert found.frames == count_frames(found.files) == 180
    assert_no_holes(found, "video")
    assert_no_holes(found, "audio")
    assert all(segment["end"] - segment["start"] < 1.5 for segment in found.segments)
    sound = [found.segments[0]["audio_init"], *(segment["audio_media"] for segment in found.segments)]
    assert abs(len(packets(sound, "audio")) * 1024 / 48_000 - 6) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_chunk_borders_mean_nothing(kind):
    data = container(kind, 3, **KINDS[kind])
    for size in (700, 4096, 50_000):
        assert cut(cut_evenly(data, size), kind).frames == 90


def test_chunk_that_begins_with_a_key_frame_is_cut_at_once():
    chunks = record("mp4", 8)
    early = cut(chunks[:7], "mp4")
    whole = [segment["end"] - segment["start"] for segment in early.segments]
    assert len(whole) == 6
    assert all(abs(length - 1) < 0.01 for length in whole)


def test_wrong_duration_of_the_last_sound_of_a_fragment_makes_no_hole():
    """As Chromium's recorder writes it: the last sample of each fragment lasts 21 ms instead of its real length."""
    chunks = [_with_short_last_sound(chunk) for chunk in record("mp4", 6)]
    found = cut(chunks)
    assert found.frames == 180
    assert_no_holes(found, "video")
    assert_no_holes(found, "audio")


def _with_short_last_sound(chunk: bytes) -> bytes:
    """Give the last sample of the second track of a fragment the wrong duration, if its `trun` has durations."""
    at = chunk.rfind(b"trun")
    if at < 0:
        return chunk
    flags, count = (
        int.from_bytes(chunk[at + 5 : at + 8], "big"),
        int.from_bytes(chunk[at + 8 : at + 12], "big"),
    )
    if not flags & 0x100:
        return chunk
    entry = 4 * sum(bool(flags & flag) for flag in (0x100, 0x200, 0x400, 0x800))
    first = at + 12 + 4 * sum(bool(flags & flag) for flag in (0x1, 0x4))
    last = first + (count - 1) * entry
    return chunk[:last] + (1008).to_bytes(4, "big") + chunk[last + 4 :]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("silent", [False, True])
def test_reader_begins_in_the_middle(kind, silent):
    chunks = record(kind, 6, **KINDS[kind] | ({"audio": ""} if silent else {}))
    whole = cut(chunks, kind)
    for index, before in enumerate(whole.segments[:-1]):
        data = b"".join(chunks)
        rest = before["header"] + data[before["resume_pos"] :]
        found = cut([rest], kind, skip_until=before["end"], audio_until=before["audio_end"])
        assert found.frames == 180 - sum(each["frames"] for each in whole.segments[: index + 1])
        assert abs(found.segments[0]["start"] - before["end"]) < 0.01
        assert found.segments[0]["key"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"video": "mpeg4", "audio": "aac"}, "codec"),
        ({"kind": "webm", "audio": "flac"}, "codec"),
        ({"size": (2560, 1440), "fps": 10}, "too_large_picture"),
        ({"fps": 120, "seconds": 9}, "too_fast"),
    ],
)
def test_unsupported_input_is_refused(options, fault):
    given = {"kind": "mp4", "seconds": 2} | options
    found = cut(record(**given), given["kind"])
    assert found.fault == fault


def test_rate_above_the_limit_is_refused(monkeypatch):
    data = container("mp4", 3)
    monkeypatch.setattr(limits, "MAX_BITS_PER_S", len(data) * 8 // 30)
    source, found = BytesIO(data), []
    cutting = cutter.Cutter(source, "mp4", 1.0, found.append, position=source.tell)
    with pytest.raises(limits.Fault, match="too_fast"):
        cutting.run()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_truncated_container_gives_what_it_has(kind):
    data = container(kind, 3, **KINDS[kind])
    for part in (0.9, 0.5, 0.1):
        found = cut([data[: int(len(data) * part)]], kind)
        assert found.frames <= 90
        assert found.fault in ("", "unreadable", "no_picture")
    assert cut([data[: int(len(data) * 0.9)]], kind).frames > 50


def test_times_that_go_back_are_refused():
    early, late = record("mp4", 3), record("mp4", 3, start_s=100.0)
    found = cut([late[0], *late[1:], *early[1:]])
    assert found.fault == "times"
    assert found.frames > 0


def test_gap_of_a_sleeping_sender_is_kept():
    early, late = record("mp4", 3, audio=""), record("mp4", 3, audio="", start_s=600.0)
    found = cut([*early, *late[1:]])
    assert found.fault == ""
    assert found.frames == 180
    assert found.segments[-1]["start"] > 600
    assert max(segment["end"] - segment["start"] for segment in found.segments) < 2


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\xff\xff\xff\xf0moov" + bytes(400_000),
        b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\x00\x00\x00\x00mdat" + bytes(400_000),
        b"\x1a\x45\xdf\xa3" + b"\x01\xff\xff\xff\xff\xff\xff\xfe" + bytes(400_000),
        b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00" + b"\x09\xff\xff\xff" + bytes(400_000),
    ],
    ids=["MP4 header", "MP4 media", "WebM", "FLV"],  # the id is in the environment, which has to stay small
)
def test_bomb_is_refused_within_the_limits(bomb):
    assert cut(cut_evenly(bomb, 60_000), container_kind(bomb)).fault


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_containers_never_hang(kind):
    """Each process ends by itself, with segments or with a fault; `python -m tools.fuzz` goes on for longer."""
    generator = random.Random(17)  # noqa: S311  # the same damage in each run
    data = container(kind, 2, **KINDS[kind])
    for _ in range(8):
        damaged = bytearray(data)
        for _ in range(generator.choice((1, 20, 500))):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        found = cut(cut_evenly(bytes(damaged), 20_000), kind)
        assert found.ended or found.fault
        assert found.frames <= 200


def test_scanner_finds_header_and_beginnings():
    for kind, options in KINDS.items():
        data = container(kind, 3, **options)
        scanner = SCANNERS[kind]()
        for piece in cut_evenly(data, 333):
            scanner.feed(piece)
        assert data.startswith(scanner.header)
        assert len(scanner.offsets) >= 3
        assert chunks_of(data, kind)[0] == scanner.header
