"""Encode a segment again as a smaller picture with the same sound and the same times.

Runs in the child process (`efir.broadcast.low_process`).
"""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from typing import Any

import av
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from efir.broadcast import limits
from efir.broadcast.fragment import TIME_OFFSET_S, VIDEO_SCALE, Frame, mux, with_durations

ENCODER = "libx264"
MAX_WIDTH, MAX_HEIGHT = 640, 360
# The maximum: a picture that hardly moves needs less. The rate-control buffer is one second, so that no segment is much
# larger.
BITS_PER_S = "400k"
OPTIONS = {
    "preset": "veryfast",
    # One packet for each frame at once: no segment waits for frames of the next one.
    "tune": "zerolatency",
    "profile": "main",
    "crf": "25",
    "maxrate": BITS_PER_S,
    "bufsize": BITS_PER_S,
    # Key frames are where a segment begins, and nowhere else.
    "g": "100000",
    "sc_threshold": "0",
    "forced-idr": "1",
}
# Drops every other frame of 60 a second, and hardly any of an uneven 30.
MIN_STEP = VIDEO_SCALE // 45
# Without a named colour space, players assume BT.709 from 720 lines on, and BT.601 for smaller pictures.
BT709, UNSPECIFIED, HD_LINES = 1, 2, 720
TYPICAL_FPS = 30  # what the encoder plans with; the frames' own times decide


class NotEncoded(Exception):
    """The segment cannot be shown from its beginning."""


class LowEncoder:
    """Encodes one segment after the other. Rate control continues from each to the next."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._size = (0, 0)
        self._scaler = VideoReformatter()
        # The encoder's clock only goes ahead, whereas each container begins its own.
        self._clock = 0
        self._index = 0

    def encode(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the initialization segment and the fragment for those in `data`.

        Raises NotEncoded, Fault, av.FFmpegError.
        """
        with av.open(BytesIO(data), "r", format="mp4") as source:
            video = source.streams.video[0]
            limits.check_size(video.codec_context)
            video.codec_context.thread_count = 1  # the operator has allowed one core for it
            first: int | None = None
            end = 0
            packet: Any
            pictures: list[Frame] = []
            sound: list[Frame] = []
            for packet in source.demux():
                if packet.stream is video:
                    if packet.pts is not None:
                        first = packet.pts if first is None else min(first, packet.pts)
                        end += packet.duration or 0
                    for frame in packet.decode():
                        self._add(pictures, frame, first)
                elif packet.dts is not None and packet.stream.type == "audio":
                    rate = packet.stream.codec_context.sample_rate
                    pts = round(packet.pts * packet.time_base * rate) - TIME_OFFSET_S * rate
                    duration = round(packet.duration * packet.time_base * rate)
                    sound.append(Frame(bytes(packet), pts, pts, duration, True, 0))
            if first is None or not pictures:
                raise NotEncoded
            end += first - TIME_OFFSET_S * VIDEO_SCALE
            self._clock += end - pictures[0].pts
            tracks = [(self._stream, VIDEO_SCALE, with_durations(pictures, end))]
            if sound:
                audio = source.streams.audio[0]
                tracks.append((audio, audio.codec_context.sample_rate, sound))
            self._index += 1
            return mux(tracks, self._index)

    def _add(self, pictures: list[Frame], frame: Any, first: int | None) -> None:
        """Encode one frame, unless it follows too soon."""
        pts = frame.pts - TIME_OFFSET_S * VIDEO_SCALE
        if not pictures and frame.pts != first:  # the segment begins without a key frame
            raise NotEncoded
        if pictures and pts - pictures[-1].pts < MIN_STEP:
            return
        size = _fitted(frame.width, frame.height)
        if size != self._size:
            if pictures:
                raise NotEncoded
            self._open(size, frame)
        small = self._scaler.reformat(
            frame, *size, format="yuv420p", interpolation=Interpolation.BILINEAR, threads=1
        )
        small.pict_type = PictureType.NONE if pictures else PictureType.I
        begun = pictures[0].pts if pictures else pts
        small.pts, small.time_base = self._clock + pts - begun, Fraction(1, VIDEO_SCALE)
        encoded = b"".join(bytes(packet) for packet in self._stream.codec_context.encode(small))
        pictures.append(Frame(encoded, pts, pts, 0, not pictures, 0))

    def _open(self, size: tuple[int, int], frame: Any) -> None:
        """Open an encoder for pictures of this size, with the colours of this frame."""
        out = av.open(BytesIO(), "w", format="mp4")
        stream: Any = out.add_stream(ENCODER, rate=TYPICAL_FPS)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, VIDEO_SCALE)
        stream.codec_context.thread_count = 1
        for name in ("colorspace", "color_primaries", "color_trc"):
            given = getattr(frame, name)
            is_large = given == UNSPECIFIED and frame.height >= HD_LINES
            setattr(stream.codec_context, name, BT709 if is_large else given)
        stream.codec_context.color_range = frame.color_range
        stream.options = OPTIONS
        out.start_encoding()  # gives the stream its parameter sets, which the init segment needs
        self._out, self._stream, self._size = out, stream, size


def _fitted(width: int, height: int) -> tuple[int, int]:
    """Return the size that fits, in even numbers and never larger than the picture."""
    share = min(1.0, MAX_WIDTH / width, MAX_HEIGHT / height)
    return max(2, round(width * share / 2) * 2), max(2, round(height * share / 2) * 2)
