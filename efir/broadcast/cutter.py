"""Cut a container into segments: read it with PyAV, copy H.264 and AAC, encode Opus as AAC, write fragmented MP4.

Runs in the child process (`efir.broadcast.segment_process`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any, Protocol

import av
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

from efir.broadcast.rtmp import flv

VIDEO_SCALE = 90_000  # the customary time scale of video in MP4
AUDIO_RATE = 48_000  # Opus has no other
AUDIO_BITRATE = 128_000
AAC_FRAME = 1024  # samples
# The encoder's first packet lies before its first frame: media times begin here, so that none is negative.
TIME_OFFSET_S = 10
# A segment is cut without a key frame if an encoder sends none: memory and delay stay bounded.
LONGEST_S = 10.0
# Limits of what is taken: 1080p60 at 8 Mbit/s. A key frame makes a second twice as heavy, so the rate is an average.
MAX_PIXELS = 1920 * 1088
MAX_SIDE = 1920
MAX_FPS = 60
MAX_BITS_PER_S = 8_000_000
TOLERANCE = 1.25
AVERAGED_S = 10.0
MAX_PENDING_BYTES = int(MAX_BITS_PER_S / 8 * LONGEST_S * TOLERANCE)
# A sender has one picture and one sound; the rest is ignored.
MAX_STREAMS = 8
# Times that go back, or ahead of the last one by more than an evening, are no recorder's.
MAX_BACK_S = 1.0
MAX_AHEAD_S = 12 * 3600.0
# The sound of Opus packets that are lost or doubled: less than this is the rounding of their times.
MAX_AUDIO_DRIFT = AUDIO_RATE // 10
MAX_ROUNDING_S = 0.003
# A reader that begins anew decodes Opus from a little before: it converges within 80 ms.
PREROLL_S = 0.2
# Chunks that begin with a key frame, before it is relied on that the next one does.
RELY_AFTER = 3
RELY_AGAIN_AFTER = 60


class Fault(Exception):
    """What came in is refused; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Source(Protocol):
    """What the cutter reads from."""

    def read(self, size: int) -> bytes:
        """Return at most this many bytes; none at the end."""


@dataclass(frozen=True)
class CutSegment:
    """One segment. Times are media times of the container in seconds; `last_pos`: where its last frame was read."""

    start: float
    end: float
    audio_end: float
    frames: int
    key: bool
    init: bytes
    media: bytes
    audio_init: bytes
    audio_media: bytes
    last_pos: int
    resume_pos: int
    width: int
    height: int


@dataclass(frozen=True)
class _Frame:
    data: bytes
    pts: int
    dts: int
    duration: int
    is_key: bool
    pos: int


class Audio:
    """The sound as AAC packets: copied, or decoded from Opus and encoded."""

    def __init__(self, stream: Any, skip_until: float) -> None:
        self.stream = stream
        self.encoded = stream.codec_context.name != "aac"
        self.pending: deque[_Frame] = deque()
        # (media time of the end, position) of packets read lately, to know from where to read again.
        self.positions: deque[tuple[float, int]] = deque(maxlen=2000)
        self._skip_until = skip_until
        if not self.encoded:
            self.template, self.rate = stream, stream.codec_context.sample_rate
            return
        self.rate = AUDIO_RATE
        layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        self._encoder = av.open(BytesIO(), "w", format="mp4")
        self.template = self._encoder.add_stream("aac", rate=AUDIO_RATE, layout=layout)
        self.template.bit_rate = AUDIO_BITRATE
        # Opens the encoder and gives the stream its AudioSpecificConfig, which the init segment needs: browsers refuse
        # "mp4a.40" without the object type.
        self._encoder.start_encoding()
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=AUDIO_RATE)
        self._fifo = AudioFifo()
        self._next = None if skip_until < 0 else round(skip_until * AUDIO_RATE)

    def add(self, packet: Any, pos: int) -> None:
        """Take one packet of the container."""
        start = float(packet.pts * packet.time_base)
        self.positions.append((start, pos))
        if self.encoded:
            for frame in self.stream.codec_context.decode(packet):
                for resampled in self._resampler.resample(frame):
                    self._encode(resampled, start)
                    start += resampled.samples / AUDIO_RATE
            return
        pts = round(start * self.rate)
        if self.pending:
            # FLV and Matroska round to milliseconds: a packet that nearly fits is meant to follow seamlessly.
            follows = self.pending[-1].pts + self.pending[-1].duration
            pts = follows if abs(pts - follows) <= MAX_ROUNDING_S * self.rate else pts
        if start >= self._skip_until - 0.5 / self.rate and (not self.pending or pts > self.pending[-1].pts):
            duration = round(float((packet.duration or 0) * packet.time_base) * self.rate) or AAC_FRAME
            self.pending.append(_Frame(bytes(packet), pts, pts, duration, True, pos))

    def _encode(self, frame: Any, start: float) -> None:
        at = round(start * AUDIO_RATE)
        if at + frame.samples <= round(self._skip_until * AUDIO_RATE):
            return
        if self._next is None:
            self._next = at
        # The samples are counted: a packet's own time matters only if packets are missing or doubled.
        queued = self._next + (self._fifo.samples or 0)
        if at - queued > MAX_AUDIO_DRIFT:
            self._fifo = AudioFifo()
            self._next = at
        elif queued - at > MAX_AUDIO_DRIFT:
            return
        frame.pts = None
        self._fifo.write(frame)
        while (ready := self._fifo.read(AAC_FRAME)) is not None:
            ready.pts, ready.time_base = self._next, Fraction(1, AUDIO_RATE)
            self._next += AAC_FRAME
            for packet in self.template.codec_context.encode(ready):
                pts = packet.pts
                if not self.pending or pts > self.pending[-1].pts:
                    self.pending.append(_Frame(bytes(packet), pts, pts, AAC_FRAME, True, -1))

    def take_until(self, end: float) -> list[_Frame]:
        """Remove and return what begins before this media time."""
        taken = []
        while self.pending and self.pending[0].pts < end * self.rate:
            taken.append(self.pending.popleft())
        return taken


def _check_size(context: Any) -> None:
    if context.width * context.height > MAX_PIXELS or max(context.width, context.height) > MAX_SIDE:
        raise Fault("too_large_picture")


def _measured(video: Any, packet: Any) -> Any:
    """Return the stream with the size of its picture, which a demuxer that met sound first has not learned.

    A container of the parameters and one key frame alone tells it.
    """
    picture, header = bytes([0x17, 1, 0, 0, 0]), bytes([0x17, 0, 0, 0, 0])
    tags = [header + bytes(video.codec_context.extradata or b""), picture + bytes(packet)]
    data = flv.HEADER + b"".join(flv.tag(flv.VIDEO_TAG, 0, tag) for tag in tags)
    return av.open(BytesIO(data), "r", format="flv").streams.video[0]


class Cutter:
    """Reads one container and hands its segments to `emit`.

    Args:
        source: the bytes, from the header on.
        kind: "mp4", "webm" or "flv".
        segment_s: the least length of a segment in seconds; it ends before the next key frame.
        skip_until: the media time in seconds up to which segments exist already, or a negative number.
        audio_until: the same for the sound, which may end a little earlier or later.
        emit: called with each segment.
        position: returns how many bytes have been read.

    Raises Fault.
    """

    def __init__(  # noqa: PLR0913  # the facts about a container
        self,
        source: Source,
        kind: str,
        segment_s: float,
        emit: Callable[[CutSegment], None],
        *,
        skip_until: float = -1.0,
        audio_until: float = -1.0,
        position: Callable[[], int],
    ) -> None:
        self._source, self._kind, self._segment_s, self._emit = source, kind, segment_s, emit
        self._skip_until, self._audio_until, self._position = skip_until, audio_until, position
        self._pending: list[_Frame] = []
        self._pending_bytes = 0
        self._last_dts: int | None = None
        self._recent: deque[tuple[int, int]] = deque()  # (pts, bytes) of the last seconds, to average
        self._recent_bytes = 0
        self._index = 0
        self._audio: Audio | None = None
        self._chunk_is_new = False
        self._first_in_chunk = False
        self._reliable = 0
        self._audio_end = audio_until

    def run(self) -> None:
        """Read to the end. Raises Fault."""
        try:
            self._read()
        except (av.FFmpegError, ValueError, MemoryError) as exc:
            raise Fault("unreadable") from exc

    def _read(self) -> None:
        demuxer = {"webm": "matroska"}.get(self._kind, self._kind)
        # No `nobuffer`: it drops what is read while the streams are probed.
        options = {"probesize": "32", "analyzeduration": "0", "max_streams": str(MAX_STREAMS)}
        with av.open(
            self._source, "r", format=demuxer, buffer_size=32_768, container_options=options
        ) as container:
            self._video = self._template = self._choose(container)
            for packet in container.demux():
                if packet.pts is None or packet.size == 0:
                    continue
                if packet.stream is self._video:
                    self._add_frame(packet)
                elif self._audio is not None and packet.stream is self._audio.stream:
                    self._audio.add(packet, packet.pos if packet.pos is not None else self._position())
                elif self._audio is None and packet.stream.type == "audio":
                    self._choose(container)  # FLV announces its streams as they come
            if self._pending:
                self._cut(self._end_of_pending())

    def _choose(self, container: Any) -> Any:
        for stream in container.streams:
            if stream.type == "video" and stream.codec_context.name != "h264":
                raise Fault("codec")
            if stream.type == "audio" and stream.codec_context.name not in ("aac", "opus"):
                raise Fault("codec")
        if not container.streams.video:
            raise Fault("no_picture")
        if container.streams.audio and self._audio is None:
            self._audio = Audio(container.streams.audio[0], self._audio_until)
        video = container.streams.video[0]
        _check_size(video.codec_context)
        return video

    def _add_frame(self, packet: Any) -> None:
        if not self._template.codec_context.width and packet.is_keyframe:
            self._template = _measured(self._video, packet)
            _check_size(self._template.codec_context)
        scale = packet.time_base * VIDEO_SCALE
        pts = round(packet.pts * scale)
        dts = round(packet.dts * scale) if packet.dts is not None else pts
        if self._last_dts is not None:
            if dts < self._last_dts - MAX_BACK_S * VIDEO_SCALE:
                raise Fault("times")
            if dts > self._last_dts + MAX_AHEAD_S * VIDEO_SCALE:
                raise Fault("times")
            dts = max(dts, self._last_dts + 1)
        elif abs(dts) > 30 * MAX_AHEAD_S * VIDEO_SCALE:
            raise Fault("times")
        pts = max(pts, dts)
        if pts - dts > LONGEST_S * VIDEO_SCALE:
            raise Fault("times")
        self._last_dts = dts
        self._check_rate(pts, packet.size)
        first_in_chunk, self._first_in_chunk = self._first_in_chunk, False
        if first_in_chunk:
            self._reliable = self._reliable + 1 if packet.is_keyframe else -RELY_AGAIN_AFTER
        if pts < (self._skip_until - 0.001) * VIDEO_SCALE:
            return
        if self._pending:
            length = (pts - self._pending[0].pts) / VIDEO_SCALE
            if (packet.is_keyframe and length >= self._segment_s * 0.95) or length >= LONGEST_S:
                # Up to the last frame's own end if this one comes much later: the sender stood still.
                end = self._end_of_pending()
                self._cut(pts if pts - end < VIDEO_SCALE // 2 else end)
        elif not packet.is_keyframe and not self._index and self._skip_until < 0:
            return  # nobody can show what comes before the first key frame
        duration = round((packet.duration or 0) * scale)
        pos = packet.pos if packet.pos is not None else self._position()
        self._pending.append(_Frame(bytes(packet), pts, dts, duration, packet.is_keyframe, pos))
        self._pending_bytes += packet.size
        if self._pending_bytes > MAX_PENDING_BYTES:
            raise Fault("too_fast")

    def _check_rate(self, pts: int, size: int) -> None:
        self._recent.append((pts, size))
        self._recent_bytes += size
        while pts - self._recent[0][0] > AVERAGED_S * VIDEO_SCALE:
            self._recent_bytes -= self._recent.popleft()[1]
        if self._recent_bytes * 8 > MAX_BITS_PER_S * AVERAGED_S * TOLERANCE:
            raise Fault("too_fast")
        if len(self._recent) > MAX_FPS * AVERAGED_S * TOLERANCE:
            raise Fault("too_fast")

    def chunk_ended(self) -> None:
        """Note that everything of a chunk has been read.

        A recorder whose chunks begin with key frames gets its segment at once, without waiting for the next chunk.
        """
        self._first_in_chunk = True
        if self._reliable < RELY_AFTER or not self._pending:
            return
        end = self._end_of_pending()
        if end - self._pending[0].pts >= self._segment_s * 0.9 * VIDEO_SCALE:
            self._cut(end)

    def _end_of_pending(self) -> int:
        last = max(self._pending, key=lambda frame: frame.pts)
        if last.duration:
            return last.pts + last.duration
        if len(self._pending) > 1:
            return last.pts + (last.pts - self._pending[0].pts) // (len(self._pending) - 1)
        return last.pts + VIDEO_SCALE // 30

    def _cut(self, end_pts: int) -> None:
        frames, self._pending, self._pending_bytes = self._pending, [], 0
        start, end = frames[0].pts / VIDEO_SCALE, end_pts / VIDEO_SCALE
        sound = self._audio.take_until(end) if self._audio else []
        video_track = (self._template, VIDEO_SCALE, _with_durations(frames, end_pts))
        tracks = [video_track]
        audio_init = audio_media = b""
        if self._audio is not None and sound:
            audio_track = (self._audio.template, self._audio.rate, sound)
            tracks.append(audio_track)
            audio_init, audio_media = _mux([audio_track], self._index)
            self._audio_end = (sound[-1].pts + sound[-1].duration) / self._audio.rate
        init, media = _mux(tracks, self._index)
        context = self._template.codec_context
        self._index += 1
        self._emit(
            CutSegment(
                start=start,
                end=end,
                audio_end=self._audio_end,
                frames=len(frames),
                key=frames[0].is_key,
                init=init,
                media=media,
                audio_init=audio_init,
                audio_media=audio_media,
                last_pos=frames[-1].pos,
                resume_pos=self._resume_pos(),
                width=context.width,
                height=context.height,
            )
        )

    def _resume_pos(self) -> int:
        """Return the position of the first bytes that may lie in no segment yet."""
        positions = [self._position()]
        if self._audio is not None:
            # From a little before the end of the sound that is out: the last packets of it, and all later ones.
            since = self._audio_end - PREROLL_S
            while len(self._audio.positions) > 1 and self._audio.positions[1][0] < since:
                self._audio.positions.popleft()
            positions += [pos for _, pos in self._audio.positions]
        return min(positions)


def _with_durations(frames: list[_Frame], end_pts: int) -> list[_Frame]:
    """Let each frame last until the next one is decoded: what a container says of it may be wrong."""
    ends = [*(frame.dts for frame in frames[1:]), end_pts - (frames[0].pts - frames[0].dts)]
    return [
        _Frame(frame.data, frame.pts, frame.dts, max(end - frame.dts, 1), frame.is_key, frame.pos)
        for frame, end in zip(frames, ends, strict=True)
    ]


def _mux(tracks: list[tuple[Any, int, list[_Frame]]], index: int) -> tuple[bytes, bytes]:
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
