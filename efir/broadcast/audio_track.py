"""The sound of a container as AAC: copied, or decoded from Opus and encoded."""

from __future__ import annotations

from collections import deque
from io import BytesIO
from typing import Any

import av

from efir.broadcast.aac import AAC_FRAME, AacQueue
from efir.broadcast.fragment import Frame

AUDIO_RATE = 48_000  # Opus has no other
AUDIO_BITRATE = 128_000
# More than this between two Opus packets means that packets are lost or doubled; less is rounding.
MAX_AUDIO_DRIFT = AUDIO_RATE // 10
MAX_ROUNDING_S = 0.003


class AudioTrack:
    """The sound as AAC packets: copied, or decoded from Opus and encoded."""

    def __init__(self, stream: Any, skip_until: float) -> None:
        self.stream = stream
        self.encoded = stream.codec_context.name != "aac"
        self.pending: deque[Frame] = deque()
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
        # Opens the encoder, which writes the AudioSpecificConfig that the init segment needs: browsers refuse "mp4a.40"
        # without the object type.
        self._encoder.start_encoding()
        self._queue = AacQueue(self.template.codec_context.encode, AUDIO_RATE, layout)
        if skip_until >= 0:
            self._queue.restart(round(skip_until * AUDIO_RATE))

    def add(self, packet: Any, pos: int) -> None:
        """Take one packet of the container."""
        start = float(packet.pts * packet.time_base)
        self.positions.append((start, pos))
        if self.encoded:
            for frame in self.stream.codec_context.decode(packet):
                for resampled in self._queue.resample(frame):
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
            self.pending.append(Frame(bytes(packet), pts, pts, duration, True, pos))

    def _encode(self, frame: Any, start: float) -> None:
        at = round(start * AUDIO_RATE)
        if at + frame.samples <= round(self._skip_until * AUDIO_RATE):
            return
        # The samples are counted: a packet's own time matters only if packets are missing or doubled.
        end = self._queue.end
        if end is None or at - end > MAX_AUDIO_DRIFT:
            self._queue.restart(at)
        elif end - at > MAX_AUDIO_DRIFT:
            return
        for packet in self._queue.add(frame):
            pts = packet.pts
            if not self.pending or pts > self.pending[-1].pts:
                self.pending.append(Frame(bytes(packet), pts, pts, AAC_FRAME, True, -1))

    def take_until(self, end: float) -> list[Frame]:
        """Remove and return the packets that begin before this media time."""
        taken = []
        while self.pending and self.pending[0].pts < end * self.rate:
            taken.append(self.pending.popleft())
        return taken
