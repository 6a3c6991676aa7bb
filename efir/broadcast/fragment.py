"""One fragment of MP4 for each segment, with an initialization segment, by PyAV's muxer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any

import av

VIDEO_SCALE = 90_000  # the customary time scale of video in MP4
# The encoder's first packet lies before its first frame: media times begin here, so that none is negative.
TIME_OFFSET_S = 10


@dataclass(frozen=True)
class Frame:
    """A frame or a packet of sound, with times in steps of its track. `pos`: where it was read."""

    data: bytes
    pts: int
    dts: int
    duration: int
    is_key: bool
    pos: int


def with_durations(frames: list[Frame], end_pts: int) -> list[Frame]:
    """Let each frame last until the next one is decoded: what a container says of it may be wrong."""
    ends = [*(frame.dts for frame in frames[1:]), end_pts - (frames[0].pts - frames[0].dts)]
    return [
        Frame(frame.data, frame.pts, frame.dts, max(end - frame.dts, 1), frame.is_key, frame.pos)
        for frame, end in zip(frames, ends, strict=True)
    ]


def mux(tracks: list[tuple[Any, int, list[Frame]]], index: int) -> tuple[bytes, bytes]:
    """Return the initialization segment and one fragment with these tracks.

    One muxer for each segment: its times are those of the frames (`frag_discont`), so nothing depends on what was
    written before, and a worker that takes over continues seamlessly.
    """
    buffer = BytesIO()
    options = {
        "movflags": "empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer",
        "use_editlist": "0",
        "video_track_timescale": str(VIDEO_SCALE),
        "fragment_index": str(index + 1),
        "avoid_negative_ts": "disabled",
        "fflags": "bitexact",
    }
    with av.open(buffer, "w", format="mp4", options=options) as out:
        packets = []
        for template, scale, frames in tracks:
            stream = out.add_stream_from_template(template)
            offset = TIME_OFFSET_S * scale
            for frame in frames:
                packet = av.Packet(frame.data)
                packet.stream, packet.time_base = stream, Fraction(1, scale)
                packet.pts, packet.dts = frame.pts + offset, frame.dts + offset
                packet.duration, packet.is_keyframe = frame.duration, frame.is_key
                packets.append((frame.dts / scale, packet))
        for _, packet in sorted(packets, key=lambda each: each[0]):
            out.mux_one(packet)
    data = buffer.getvalue()
    at = 0
    while data[at + 4 : at + 8] != b"moof":
        at += int.from_bytes(data[at : at + 4], "big")
    return data[:at], data[at:]
