"""Encoding decoded sound as AAC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

AAC_FRAME = 1024  # samples


class AacQueue:
    """Decoded sound that becomes AAC packets of one frame each, whose times follow each other without a gap.

    Times are in samples. `begin`, `end`: of the sound that is queued, which between two calls is less than a frame;
    None before the first `restart`.
    """

    def __init__(self, encode: Callable[[Any], Iterable[Any]], rate: int, layout: str) -> None:
        """`encode`: returns the packets for a frame, as a codec context does. `rate`, `layout`: those of its codec."""
        self._encode = encode
        self._time_base = Fraction(1, rate)
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        self._fifo = AudioFifo()
        self.begin: int | None = None

    @property
    def end(self) -> int | None:
        return None if self.begin is None else self.begin + (self._fifo.samples or 0)

    def restart(self, at: int) -> None:
        """Drop what is queued, and go on at another time."""
        self._fifo, self.begin = AudioFifo(), at

    def resample(self, frame: Any) -> list[Any]:
        """Return a decoded frame as frames of the queue's rate and layout."""
        return self._resampler.resample(frame)

    def add(self, frame: Any) -> Iterator[Any]:
        """Queue a resampled frame, whatever its time, and yield the packets that are complete with it."""
        frame.pts = None
        self._fifo.write(frame)
        while (ready := self._fifo.read(AAC_FRAME)) is not None:
            assert self.begin is not None  # noqa: S101  # the caller has said when the sound begins
            ready.pts, ready.time_base = self.begin, self._time_base
            self.begin += AAC_FRAME
            yield from self._encode(ready)
