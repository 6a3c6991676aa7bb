"""Join segments into one MP4 without transcoding. Runs as a process of its own, so that nobody waits for it.

Reads JSON from its standard input: `{"target": path, "runs": [[init, segment, …], …]}`, names in the media store, and
prints a line for each run that is written. The segmenter wrote what it reads: that is not hostile.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

# Low: the room and the sender of the next webinar come first.
NICENESS = 5
AAC_FRAME = 1024  # samples

Read = Callable[[str], bytes]


class _Files:
    """A file object that reads several files as one, with one of them in memory."""

    def __init__(self, names: Iterable[str], read: Read) -> None:
        self._names, self._read = iter(names), read
        self._data = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._data:
            name = next(self._names, None)
            if name is None:
                return b""
            self._data = memoryview(self._read(name))
        taken, self._data = bytes(self._data[:size]), self._data[size:]
        return taken


class Joiner:
    """Writes runs one after the other into an MP4 whose index comes first, so that it plays while it loads.

    The first run with a picture and the first with sound decide the parameters of the file.
    """

    def __init__(self, target: Path, inits: Sequence[str], read: Read) -> None:
        self._read = read
        self._out = av.open(str(target), "w", format="mp4", options={"movflags": "faststart"})
        self._streams: dict[str, Any] = {}
        self._ends: dict[str, Fraction] = {}
        self._now = Fraction(0)
        for init in dict.fromkeys(inits):
            with av.open(_Files([init], read), format="mp4") as head:
                for stream in head.streams:
                    if stream.type in ("video", "audio") and stream.type not in self._streams:
                        self._streams[stream.type] = self._out.add_stream_from_template(stream)
        self._parameters = {kind: stream.codec_context.extradata for kind, stream in self._streams.items()}

    def close(self) -> None:
        """Write the index."""
        self._out.close()

    def add(self, names: Sequence[str]) -> None:
        """Add a run: its init segment and its media segments."""
        with av.open(_Files(names, self._read), "r", format="mp4") as run:
            convert = {stream.type: self._converter(stream) for stream in run.streams}
            shift: Fraction | None = None
            last: dict[str, Any] = {}
            for packet in run.demux():
                if packet.dts is None:  # the flush at the end
                    continue
                if shift is None:
                    shift = self._now - packet.dts * packet.time_base
                last[packet.stream.type] = shift
                for converted in convert[packet.stream.type](packet):
                    self._write(packet.stream.type, converted, shift)
            if shift is not None:
                for converted in convert["audio"](None) if "audio" in last else ():
                    self._write("audio", converted, shift)
        self._now = max(self._ends.values(), default=Fraction(0))

    def _write(self, kind: str, packet: Any, shift: Fraction) -> None:
        base = packet.time_base
        begins = packet.dts * base + shift
        # Sound that begins a little before its picture overlaps with the end of the run before.
        if begins < self._ends.get(kind, begins):
            if kind == "audio":
                return
            shift += self._ends[kind] - begins
        steps = round(shift / base)
        packet.pts, packet.dts = packet.pts + steps, packet.dts + steps
        packet.stream = self._streams[kind]
        self._ends[kind] = (packet.dts + packet.duration) * base
        self._out.mux_one(packet)

    def _converter(self, stream: Any) -> Callable[[Any], Iterator[Any]]:
        """Return what makes a stream's packets those of the file: most go in as they are."""
        parameters = stream.codec_context.extradata
        if parameters == self._parameters.get(stream.type):
            return _as_it_is
        if stream.type == "audio":
            return _Recoder(stream, self._streams["audio"]).packets
        return _ParameterSets(parameters).packets


def _as_it_is(packet: Any) -> Iterator[Any]:
    if packet is not None:
        yield packet


class _ParameterSets:
    """Puts H.264's parameter sets before each key frame, for a run whose parameters differ from the file's."""

    def __init__(self, configuration: bytes) -> None:
        self._sets = b"".join(_nal_units(configuration))

    def packets(self, packet: Any) -> Iterator[Any]:
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


class _Recoder:
    """Encodes sound anew whose rate or channels differ from the file's: an MP4 track has one kind."""

    def __init__(self, stream: Any, target: Any) -> None:
        self._decode = stream.codec_context.decode
        rate, layout = target.codec_context.sample_rate, target.codec_context.layout.name
        self._encoder: Any = av.CodecContext.create("aac", "w")
        self._encoder.sample_rate, self._encoder.layout, self._encoder.format = rate, layout, "fltp"
        self._encoder.time_base = Fraction(1, rate)
        self._encoder.open()
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        self._fifo = AudioFifo()

    def packets(self, packet: Any) -> Iterator[Any]:
        for frame in self._decode(packet):
            for resampled in self._resampler.resample(frame):
                self._fifo.write(resampled)
        for frame in self._fifo.read_many(AAC_FRAME):
            yield from self._encoder.encode(frame)
        if packet is None:
            yield from self._encoder.encode(None)


def main() -> int:
    """Join what the standard input names."""
    os.nice(NICENESS)
    wanted = json.load(sys.stdin)
    import django

    django.setup()
    from efir.broadcast import media

    def read(name: str) -> bytes:
        # A file that is gone leaves a gap; the recording says how much it lacks.
        return media.store().read(name) or b""

    runs: list[list[str]] = wanted["runs"]
    with closing(Joiner(Path(wanted["target"]), [run[0] for run in runs], read)) as joiner:
        for run in runs:
            joiner.add(run)
            print(len(run), flush=True)  # noqa: T201  # the parent reads it
    return 0


if __name__ == "__main__":
    sys.exit(main())
