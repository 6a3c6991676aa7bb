"""Join segments into one MP4 without transcoding. Runs in its own process, so that nothing else has to wait for it.

Reads JSON from its standard input: `{"target": path, "index_bytes": N, "runs": [[init, segment, …], …]}`, names in the
media store. Its input was written by the segmenter, so it is trusted.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from efir.broadcast import media
from efir.broadcast.track_conversion import AudioTranscoder, ParameterSets, as_it_is

# Low priority: the room and the sender of the next webinar come first.
NICENESS = 5
# S3 takes some 30 ms for each of the 3,600 segments of an hour: one after the other they would take two minutes.
READ_AHEAD = 8
BUFFER_BYTES = 2**20
# Bytes that may wait to be synced. If the whole file waited, the database's transactions would wait for it, too.
MAX_UNSYNCED_BYTES = 16 * 2**20
# The length of a track's chunk: with a chunk for each frame the index would be twice as large.
CHUNK_US = 500_000

Read = Callable[[str], bytes]


class _Files:
    """A file object that reads several files as one, and prefetches the next ones."""

    def __init__(self, names: Iterable[str], read: Read, pool: ThreadPoolExecutor) -> None:
        self._names, self._read, self._pool = iter(names), read, pool
        self._ahead: deque[Future[bytes]] = deque()
        self._data = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._data:
            while len(self._ahead) < READ_AHEAD and (name := next(self._names, None)) is not None:
                self._ahead.append(self._pool.submit(self._read, name))
            if not self._ahead:
                return b""
            self._data = memoryview(self._ahead.popleft().result())
        taken, self._data = bytes(self._data[:size]), self._data[size:]
        return taken


class _Target(io.FileIO):
    """The output file. It is synced in small steps, and leaves the disk space that the database needs."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._unsynced = 0

    def write(self, data: Any) -> int:
        written = super().write(data)
        self._unsynced += written
        if self._unsynced >= MAX_UNSYNCED_BYTES:
            if media.scratch_bytes() < MAX_UNSYNCED_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self.fileno())
            self._unsynced = 0
        return written


class _Track:
    """One track of the file. Times are counted in steps of the time base of its packets."""

    def __init__(self, out: Any, template: Any) -> None:
        self._out, self._stream = out, out.add_stream_from_template(template)
        self.codec = self._stream.codec_context
        self.parameters = self.codec.extradata
        self._is_audio = template.type == "audio"
        self._end, self._base, self._shift = 0, Fraction(1), 0

    @property
    def end(self) -> Fraction:
        """The time up to which the track is written, in seconds."""
        return self._end * self._base

    def begin_run(self, shift: Fraction, base: Fraction) -> None:
        """Shift the following packets by `shift` seconds."""
        self._end, self._base, self._shift = round(self.end / base), base, round(shift / base)

    def write(self, packet: Any) -> None:
        """Write the next packet."""
        overlap = self._end - (packet.dts + self._shift)
        # Sound that begins a little before its picture overlaps with the end of the previous run.
        if overlap > 0:
            if self._is_audio:
                return
            self._shift += overlap
        packet.pts += self._shift
        packet.dts += self._shift
        self._end = packet.dts + packet.duration
        packet.stream = self._stream
        self._out.mux_one(packet)


class Joiner:
    """Writes runs one after the other into an MP4 whose index comes first, so that it plays while it loads.

    The first run with a picture and the first with sound decide the parameters of the file.

    Args:
        target: the file to write.
        inits: the names of the runs' initialization segments.
        read: returns the content of a file.
        index_bytes: the room to leave for the index. If it is 0, the file is written twice instead, and if it turns out
            too small, `close` raises av.FFmpegError.
    """

    def __init__(self, target: Path, inits: Sequence[str], read: Read, index_bytes: int = 0) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(READ_AHEAD)
        options = {"chunk_duration": str(CHUNK_US)}
        options |= {"moov_size": str(index_bytes)} if index_bytes else {"movflags": "faststart"}
        self._file = _Target(target)
        # FFmpeg moves the index to the front in a file that it has opened by itself.
        place = self._file if index_bytes else str(target)
        self._out = av.open(place, "w", format="mp4", options=options, buffer_size=BUFFER_BYTES)
        self._tracks: dict[str, _Track] = {}
        self._now = Fraction(0)
        for init in dict.fromkeys(inits):
            with av.open(_Files([init], read, self._pool), format="mp4") as head:
                for stream in head.streams:
                    if stream.type in ("video", "audio") and stream.type not in self._tracks:
                        self._tracks[stream.type] = _Track(self._out, stream)

    def close(self) -> None:
        """Write the index."""
        self._pool.shutdown(cancel_futures=True)
        try:
            self._out.close()
        finally:
            self._file.close()

    def add(self, names: Sequence[str]) -> None:
        """Add a run: its init segment and its media segments."""
        files = _Files(names, self._read, self._pool)
        with av.open(files, "r", format="mp4", buffer_size=BUFFER_BYTES) as run:
            convert = {stream.index: self._converter(stream) for stream in run.streams}
            shift: Fraction | None = None
            begun: set[str] = set()
            for packet in run.demux():
                kind = packet.stream.type
                if packet.dts is None:  # the flush at the end
                    continue
                if shift is None:
                    shift = self._now - packet.dts * packet.time_base
                for converted in convert[packet.stream.index](packet):
                    if kind not in begun:
                        self._tracks[kind].begin_run(shift, converted.time_base)
                        begun.add(kind)
                    self._tracks[kind].write(converted)
            for stream in run.streams:
                if stream.type in begun:
                    for converted in convert[stream.index](None):
                        self._tracks[stream.type].write(converted)
        self._now = max((track.end for track in self._tracks.values()), default=Fraction(0))

    def _converter(self, stream: Any) -> Callable[[Any], Iterator[Any]]:
        """Return the converter of a stream's packets to those of the file; most packets need no change."""
        track, parameters = self._tracks[stream.type], stream.codec_context.extradata
        if parameters == track.parameters:
            return as_it_is
        if stream.type == "audio":
            return AudioTranscoder(stream, track.codec).packets
        return ParameterSets(parameters).packets


def main() -> int:
    """Join the segments that standard input names."""
    os.nice(NICENESS)
    wanted = json.load(sys.stdin)
    import django

    django.setup()

    def read(name: str) -> bytes:
        # A missing file leaves a gap; the recording says how much is missing.
        return media.store().read(name) or b""

    runs: list[list[str]] = wanted["runs"]
    inits = [run[0] for run in runs]
    with closing(Joiner(Path(wanted["target"]), inits, read, wanted["index_bytes"])) as joiner:
        for run in runs:
            joiner.add(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
