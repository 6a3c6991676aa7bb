"""Sends what an encoder such as OBS sends: a moving test picture with a tone, H.264 and AAC, encoded by PyAV."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av

FPS, RATE = 30, 48_000
TONE_HZ = 440
SIZE = (320, 180)
# The picture's column is 8 pixels wide and begins again after so many frames.
TURN = SIZE[0] - 8


def encode(where: str, seconds: float) -> None:
    """Send `seconds` of picture and sound as FLV, as fast as a camera gives frames, with a key frame each second."""
    with av.open(where, "w", format="flv") as out:
        video = out.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.time_base = Fraction(1, FPS)
        video.options = {"g": str(FPS), "preset": "ultrafast", "tune": "zerolatency", "sc_threshold": "0"}
        audio = out.add_stream("aac", rate=RATE, layout="mono")
        begun, samples = time.monotonic(), 0
        for number in range(round(seconds * FPS)):
            out.mux(video.encode(_picture(number)))
            while samples < (number + 1) * RATE // FPS:
                out.mux(audio.encode(_tone(samples)))
                samples += 1024
            time.sleep(max(0.0, begun + (number + 1) / FPS - time.monotonic()))
        out.mux(video.encode())
        out.mux(audio.encode())


def _picture(number: int) -> av.VideoFrame:
    """Return a grey frame with a bright column that moves by one pixel a frame."""
    frame = av.VideoFrame(*SIZE, "yuv420p")
    for index, plane in enumerate(frame.planes):
        row = bytearray([60 if index == 0 else 128]) * plane.line_size
        if index == 0:
            at = number % TURN
            row[at : at + 8] = bytes([220]) * 8
        plane.update(bytes(row) * plane.height)
    frame.pts = number
    return frame


def _tone(start: int) -> av.AudioFrame:
    frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
    wave = (math.sin(2 * math.pi * TONE_HZ * (start + n) / RATE) / 4 for n in range(1024))
    frame.planes[0].update(struct.pack("<1024f", *wave))
    frame.rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
    return frame


@contextmanager
def running(where: str, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Run an encoder as a process of its own: PyAV holds the interpreter's lock while it waits for a connection."""
    words = [sys.executable, "-m", "tests.support.encoder", where, str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


if __name__ == "__main__":
    encode(sys.argv[1], float(sys.argv[2]))
