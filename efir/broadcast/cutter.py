"""Cut a container into segments: read it with PyAV, copy H.264 and AAC, encode Opus as AAC, write fragmented MP4.

Runs in the child process (`efir.broadcast.segment_process`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import av

from efir.broadcast import limits
from efir.broadcast.audio_track import AudioTrack
from efir.broadcast.fragment import VIDEO_SCALE, Frame, mux, with_durations
from efir.broadcast.limits import Fault
from efir.broadcast.rtmp import flv

# After a restart Opus is decoded from a little earlier, because the decoder converges within 80 ms.
PREROLL_S = 0.2
# After this many chunks that begin with a key frame, the next one is expected to begin with one, too.
RELY_AFTER = 3
RELY_AGAIN_AFTER = 60


class ByteSource(Protocol):
    """The interface that the cutter reads from."""

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


def _measured(video: Any, packet: Any) -> Any:
    """Return the stream with the size of its picture, which the demuxer does not know if sound came first.

    A container with only the parameters and one key frame reveals it.
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
        source: ByteSource,
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
        self._pending: list[Frame] = []
        self._pending_bytes = 0
        self._last_dts: int | None = None
        self._rate = limits.RateLimit()
        self._index = 0
        self._audio: AudioTrack | None = None
        self._first_in_chunk = False
        self._reliable = 0
        self._audio_end = audio_until

    def run(self) -> None:
        """Read to the end. Raises Fault."""
        try:
            self._read()
        except (av.FFmpegError, ValueError, OverflowError, MemoryError) as exc:
            raise Fault("unreadable") from exc

    def _read(self) -> None:
        demuxer = {"webm": "matroska"}.get(self._kind, self._kind)
        # No `nobuffer`: it drops what is read while the streams are probed.
        options = {"probesize": "32", "analyzeduration": "0", "max_streams": str(limits.MAX_STREAMS)}
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
            self._audio = AudioTrack(container.streams.audio[0], self._audio_until)
        video = container.streams.video[0]
        limits.check_size(video.codec_context)
        return video

    def _add_frame(self, packet: Any) -> None:
        if not self._template.codec_context.width and packet.is_keyframe:
            self._template = _measured(self._video, packet)
            limits.check_size(self._template.codec_context)
        scale = packet.time_base * VIDEO_SCALE
        pts = round(packet.pts * scale)
        dts = round(packet.dts * scale) if packet.dts is not None else pts
        pts, dts = limits.checked_times(pts, dts, self._last_dts)
        self._last_dts = dts
        self._rate.add(pts, packet.size)
        first_in_chunk, self._first_in_chunk = self._first_in_chunk, False
        if first_in_chunk:
            self._reliable = self._reliable + 1 if packet.is_keyframe else -RELY_AGAIN_AFTER
        if pts < (self._skip_until - 0.001) * VIDEO_SCALE:
            return
        pos = packet.pos if packet.pos is not None else self._position()
        if self._pending:
            length = (pts - self._pending[0].pts) / VIDEO_SCALE
            if (packet.is_keyframe and length >= self._segment_s * 0.95) or length >= limits.LONGEST_S:
                # Up to the last frame's own end if this one comes much later, because the sender paused.
                end = self._end_of_pending()
                self._cut(pts if pts - end < VIDEO_SCALE // 2 else end, pos)
        elif not packet.is_keyframe and not self._index and self._skip_until < 0:
            return  # frames before the first key frame cannot be decoded
        duration = round((packet.duration or 0) * scale)
        self._pending.append(Frame(bytes(packet), pts, dts, duration, packet.is_keyframe, pos))
        self._pending_bytes += packet.size
        if self._pending_bytes > limits.MAX_PENDING_BYTES:
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

    def _cut(self, end_pts: int, next_pos: int | None = None) -> None:
        """Emit what is pending. `next_pos`: where the next frame was read; the demuxer has read on since."""
        frames, self._pending, self._pending_bytes = self._pending, [], 0
        start, end = frames[0].pts / VIDEO_SCALE, end_pts / VIDEO_SCALE
        sound = self._audio.take_until(end) if self._audio else []
        video_track = (self._template, VIDEO_SCALE, with_durations(frames, end_pts))
        tracks = [video_track]
        audio_init = audio_media = b""
        if self._audio is not None and sound:
            audio_track = (self._audio.template, self._audio.rate, sound)
            tracks.append(audio_track)
            audio_init, audio_media = mux([audio_track], self._index)
            self._audio_end = (sound[-1].pts + sound[-1].duration) / self._audio.rate
        init, media = mux(tracks, self._index)
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
                resume_pos=self._resume_pos(self._position() if next_pos is None else next_pos),
                width=context.width,
                height=context.height,
            )
        )

    def _resume_pos(self, next_pos: int) -> int:
        """Return the position of the first bytes that may be in no segment yet: for the picture, `next_pos`."""
        positions = [next_pos]
        if self._audio is not None:
            # From a little before the end of the sound that was emitted: its last packets, and all later ones.
            since = self._audio_end - PREROLL_S
            while len(self._audio.positions) > 1 and self._audio.positions[1][0] < since:
                self._audio.positions.popleft()
            positions += [pos for _, pos in self._audio.positions]
        return min(positions)
