"""Convert a run's packets for the file of a recording, whose tracks have one set of parameters each."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from efir.broadcast.aac import AacQueue

# A difference smaller than this between two frames of sound is rounding of their times.
MAX_ROUNDING_S = 0.05


def as_it_is(packet: Any) -> Iterator[Any]:
    """Yield the packet; None, which ends a run, gives nothing."""
    if packet is not None:
        yield packet


class ParameterSets:
    """Puts H.264's parameter sets before each key frame, for a run whose parameters differ from the file's."""

    def __init__(self, configuration: bytes) -> None:
        self._sets = b"".join(_nal_units(configuration))

    def packets(self, packet: Any) -> Iterator[Any]:
        """Yield the packet as the file needs it; None, which ends a run, gives nothing."""
        if packet is None:
            return
        if not packet.is_keyframe:
            yield packet
            return
        whole = av.Packet(self._sets + bytes(packet))
        whole.pts, whole.dts, whole.time_base = packet.pts, packet.dts, packet.time_base
        whole.duration, whole.is_keyframe = packet.duration, True
        yield whole


def _nal_units(configuration: bytes) -> Iterator[bytes]:
    """Yield the parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15), each after its length."""
    position = 5
    for mask in (0x1F, 0xFF):  # the sequence parameter sets, then the picture parameter sets
        count = configuration[position] & mask
        position += 1
        for _ in range(count):
            size = int.from_bytes(configuration[position : position + 2], "big")
            yield size.to_bytes(4, "big") + configuration[position + 2 : position + 2 + size]
            position += 2 + size


class AudioTranscoder:
    """Encodes sound again if its rate or channels differ from the file's: an MP4 track has one kind."""

    def __init__(self, stream: Any, target: Any) -> None:
        self._decode = stream.codec_context.decode
        rate, layout = target.sample_rate, target.layout.name
        self._encoder: Any = av.CodecContext.create("aac", "w")
        self._encoder.sample_rate, self._encoder.layout, self._encoder.format = rate, layout, "fltp"
        self._encoder.time_base = Fraction(1, rate)
        self._encoder.open()
        self._queue = AacQueue(self._encoder.encode, rate, layout)
        self._max_rounding = MAX_ROUNDING_S * rate

    def packets(self, packet: Any) -> Iterator[Any]:
        """Yield the packets of the file for one of the run; None ends the run."""
        for frame in self._decode(packet):
            for resampled in self._queue.resample(frame):
                yield from self._add(resampled)
        if packet is None:
            yield from self._encoder.encode(None)

    def _add(self, frame: Any) -> Iterator[Any]:
        """Queue decoded samples. The queue counts time by itself, so a gap begins another one, never an earlier one."""
        end = self._queue.end
        if end is None or abs(frame.pts - end) > self._max_rounding:
            self._queue.restart(max(frame.pts, self._queue.begin or 0))
        return self._queue.add(frame)
