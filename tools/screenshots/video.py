"""A few seconds of a still picture as segments of an own broadcast, in the media store."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from efir.broadcast import media
from efir.broadcast.assemble import Joiner

WIDTH, HEIGHT, FPS = 320, 180, 10
GREY = 90


def store_segments(webinar_id: int, seconds: int) -> tuple[str, list[str]]:
    """Store segments of a second; return the names of the init segment and of the others."""
    header, segments = b"", []
    for box in _boxes(_container(seconds)):
        if box[4:8] == b"moof":
            segments.append(box)
        elif segments:
            segments[-1] += box
        else:
            header += box
    contents = {media.new_name(webinar_id): content for content in (header, *segments[:seconds])}
    for name, content in contents.items():
        media.store().save(name, content)
    init, *names = contents
    return init, names


def store_file(webinar_id: int, init: str, names: list[str]) -> tuple[str, int]:
    """Store the segments as one MP4; return its name and size."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "joined.mp4"
        with closing(Joiner(path, [init], lambda name: media.store().read(name) or b"")) as joiner:
            joiner.add([init, *names])
        content = path.read_bytes()
    name = media.new_name(webinar_id, "mp4")
    media.store().save(name, content)
    return name, len(content)


def _container(seconds: int) -> bytes:
    buffer = BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer"}
    with av.open(buffer, "w", format="mp4", options=options) as out:
        stream: Any = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.options = {"g": str(FPS), "bf": "0"}
        for number in range(seconds * FPS):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for index, plane in enumerate(frame.planes):
                plane.update(bytes([GREY if index == 0 else 128]) * plane.buffer_size)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return buffer.getvalue()


def _boxes(data: bytes) -> list[bytes]:
    boxes, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        boxes.append(data[at : at + size])
        at += size
    return boxes
