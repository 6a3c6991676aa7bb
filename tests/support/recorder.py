"""Recordings as browsers and encoders send them: a moving picture with sound, cut into chunks by PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache, cached_property
from io import BytesIO
from itertools import pairwise
from typing import Any, overload

import av

from efir.broadcast.scanner import SCANNERS

FPS = 30
RATE = 48_000
FORMATS = {"mp4": "mp4", "webm": "matroska", "flv": "flv"}


@cache
def container(
    kind: str = "mp4",
    seconds: float = 6,
    *,
    video: str = "libx264",
    audio: str = "libopus",
    layout: str = "stereo",
    size: tuple[int, int] = (320, 180),
    fps: int = FPS,
    gop_s: float = 1.0,
    b_frames: int = 0,
    start_s: float = 0.0,
    bit_rate: int = 0,
) -> bytes:
    """Return a whole container, as a recorder writes it: fragmented MP4, live Matroska or FLV."""
    options = {
        "mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
        "webm": {"live": "1", "cluster_time_limit": "1000"},
        "flv": {"flvflags": "no_duration_filesize"},
    }[kind]
    if start_s and kind == "mp4":  # otherwise the muxer begins at 0
        options = {
            "movflags": f"{options['movflags']}+frag_discont",
            "use_editlist": "0",
            "avoid_negative_ts": "disabled",
        }
    buffer = BytesIO()
    with av.open(buffer, "w", format=FORMATS[kind], options=options) as out:
        picture: Any = out.add_stream(video, rate=fps)
        picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
        if video == "libx264":
            gop = str(round(gop_s * fps))
            picture.options = {
                "preset": "ultrafast",
                "g": gop,
                "keyint_min": gop,
                "sc_threshold": "0",
                "bf": str(b_frames),
            }
        if bit_rate:
            picture.bit_rate = bit_rate
        sound: Any = out.add_stream(audio, rate=RATE, layout=layout) if audio else None
        samples = 0
        for number in range(round(seconds * fps)):
            out.mux(picture.encode(_frame(size, number, fps, start_s, noisy=bool(bit_rate))))
            while sound and samples < (number + 1) * RATE // fps:
                frame = _sound(sound, samples, start_s)
                out.mux(sound.encode(frame))
                samples += frame.samples
        out.mux(picture.encode(None))
        if sound:
            out.mux(sound.encode(None))
    return buffer.getvalue()


def _frame(size: tuple[int, int], number: int, fps: int, start_s: float, *, noisy: bool) -> av.VideoFrame:
    frame = av.VideoFrame(*size, "yuv420p")
    for index, plane in enumerate(frame.planes):
        row = bytes((number * 5 + index * 60 + at * (number if noisy else 1)) % 256 for at in range(251))
        plane.update((row * (plane.buffer_size // 251 + 1))[: plane.buffer_size])
    frame.pts, frame.time_base = number + round(start_s * fps), Fraction(1, fps)
    return frame


def _sound(sound: Any, samples: int, start_s: float) -> av.AudioFrame:
    is_aac, layout = sound.codec_context.name == "aac", sound.codec_context.layout.name
    frame = av.AudioFrame("fltp" if is_aac else "s16", layout, 1024 if is_aac else 960)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size) if is_aac else _tone(plane.buffer_size))
    frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
    frame.pts = samples + round(start_s * RATE)
    return frame


@cache
def _tone(size: int) -> bytes:
    return bytes((at * 7) % 64 for at in range(size))


def chunks_of(data: bytes, kind: str) -> list[bytes]:
    """Cut a container where Chromium's recorder does: the header alone, then a fragment, cluster or some tags each."""
    scanner = SCANNERS[kind]()
    scanner.feed(data)
    offsets = [*scanner.offsets][:: 40 if kind == "flv" else 1]
    cuts = [0, *offsets, len(data)]
    return [data[begin:end] for begin, end in pairwise(cuts) if begin < end]


class Recording(Sequence[bytes]):
    """The chunks of a recording, encoded when the first one is read, so that importing a test costs nothing."""

    def __init__(self, kind: str, seconds: float, options: dict[str, Any]) -> None:
        self._kind, self._seconds, self._options = kind, seconds, options

    @cached_property
    def _chunks(self) -> list[bytes]:
        return chunks_of(container(self._kind, self._seconds, **self._options), self._kind)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        return self._chunks[index]

    def __len__(self) -> int:
        return len(self._chunks)


def record(kind: str = "mp4", seconds: float = 6, **options: Any) -> Recording:
    """Record for this long; `options` are those of `container`."""
    return Recording(kind, seconds, options)


def cut_evenly(data: bytes, size: int) -> list[bytes]:
    """Cut a container without regard to what is in it."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def count_frames(files: Iterable[bytes]) -> int:
    """Return how many frames of video a player decodes of these files, put together."""
    with av.open(BytesIO(b"".join(files))) as played:
        return sum(1 for _ in played.decode(video=0))
