"""Store the segments of the child process: the files first, then all rows in one fenced transaction."""

from __future__ import annotations

import errno
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.dispatch import Signal

from efir.broadcast import lease, media
from efir.broadcast.child import ChildMessage
from efir.broadcast.live_time import is_live_at, live_spans
from efir.broadcast.models import BroadcastSession, Chunk, Container, Segment
from efir.lib import metrics
from efir.lib.log import ThrottledErrorLog

# A media clock that runs ahead of the arrival by more than this is wrong: media cannot arrive before they are made.
MAX_AHEAD = timedelta(seconds=2)
# Two containers that follow each other may overlap by the error of their first arrival.
MAX_OVERLAP = timedelta(seconds=2)
# A gap of this or more between two segments of a container is a break for a player.
MAX_GAP_S = 0.5

# Sent after the commit, in the process that made a segment, with `webinar_id`.
segments_changed = Signal()

log = structlog.get_logger(__name__)
_no_space = ThrottledErrorLog(log, "broadcast_disk_full")


@dataclass(frozen=True)
class _Piece:
    offset: int  # in the stream that the process reads
    n: int
    at: int  # the offset within the chunk
    received_at: datetime


class Input:
    """The stream that one process reads: the container's header and its chunks, and where each of them lies in it."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.fed = 0  # bytes of chunks
        self.last_n = container.resume_n - 1
        self._offset = 0
        self._pieces: list[_Piece] = []

    def add_header(self) -> bytes:
        """Return the bytes before the first chunk: none at the container's beginning."""
        container = self.container
        if (container.resume_n, container.resume_at) == (container.first_n, 0):
            return b""
        header = bytes(container.header)
        self._offset += len(header)
        return header

    def add(self, n: int, data: bytes, received_at: datetime) -> bytes:
        """Return what the process needs of the next chunk."""
        at = self.container.resume_at if n == self.container.resume_n and not self._pieces else 0
        self._pieces.append(_Piece(self._offset, n, at, received_at))
        data = data[at:]
        self._offset += len(data)
        self.fed += len(data)
        self.last_n = n
        return data

    def locate(self, offset: int) -> _Piece:
        """Return the chunk that holds this offset of the stream, with the offset within it."""
        index = max(0, bisect_right(self._pieces, offset, key=lambda piece: piece.offset) - 1)
        piece = self._pieces[index]
        return _Piece(offset, piece.n, piece.at + max(0, offset - piece.offset), piece.received_at)

    def forget_before(self, n: int) -> None:
        """Forget chunks that are not needed any more."""
        self._pieces = [piece for piece in self._pieces if piece.n >= n]


@dataclass(frozen=True)
class _Files:
    name: str
    init: str
    size: int
    audio_name: str
    audio_init: str
    audio_size: int


class Committer:
    """Commits the segments of one webinar while the lease is held."""

    def __init__(self, webinar_id: int, held: tuple[int, UUID, int]) -> None:
        self._webinar_id, self._lease = webinar_id, held
        self._inits: dict[bytes, str] = {}
        self._last: Segment | None = None
        self._last_live: Segment | None = None
        self._is_loaded = False
        self._rates: list[tuple[int, float]] = []

    def commit(self, source: Input, message: ChildMessage) -> Segment | None:
        """Write a segment's files, then its row and the progress; return None if the disk has no room for it.

        Raises LeaseLost, OSError, database errors.
        """
        body, (init, content, audio_init, audio, header) = message.body, message.blobs
        container = source.container
        written: list[str] = []
        try:
            names = None
            try:
                names = self._write_files(written, init, content, audio_init, audio)
                _no_space.succeeded()
            except (media.NoSpace, OSError) as exc:
                if isinstance(exc, OSError) and exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                # The broadcast goes on: only this segment is lost, and the database keeps its disk space.
                _no_space.failed(webinar_id=self._webinar_id)
                self._delete(written)
            with transaction.atomic():
                lease.check(*self._lease)
                self._load()
                epoch = self._epoch(
                    source, body["start"], body["end"], source.locate(body["last_pos"]).received_at
                )
                segment = None
                if names is not None:
                    segment = self._segment(container, body, epoch, names)
                    segment.save(force_insert=True)
                self._save_progress(source, body, epoch, header)
                self._save_session(container.session_id, body, len(content))
        except BaseException:
            self._delete(written)
            raise
        if segment:
            metrics.BROADCAST_SEGMENTS.labels("full").inc()
            arrived_at = source.locate(body["last_pos"]).received_at
            metrics.BROADCAST_DELAY.observe(max(0.0, (segment.created_at - arrived_at).total_seconds()))
            self._last = segment
            if segment.live_number is not None:
                self._last_live = segment
            segments_changed.send(sender=Segment, webinar_id=self._webinar_id)
        return segment

    def _write_files(
        self, written: list[str], init: bytes, content: bytes, audio_init: bytes, audio: bytes
    ) -> _Files:
        store = media.store()

        def save(data: bytes) -> str:
            name = media.new_name(self._webinar_id)
            written.append(name)
            store.save(name, data)
            return name

        def save_init(data: bytes) -> str:
            if data not in self._inits:
                self._inits[data] = save(data)
                written.pop()  # later segments may need it even if this one is not stored
            return self._inits[data]

        names = save(content), save_init(init)
        audio_names = (save(audio), save_init(audio_init)) if audio else ("", "")
        return _Files(*names, len(content), *audio_names, len(audio))

    def _delete(self, names: list[str]) -> None:
        while names:
            try:
                media.store().delete(names.pop())
            except OSError:
                log.warning("media_not_deleted", webinar_id=self._webinar_id)

    def _load(self) -> None:
        """Read what the previous holder of the lease has committed: from now on nobody else commits."""
        if not self._is_loaded:
            segments = Segment.objects.filter(webinar_id=self._webinar_id)
            self._last = segments.order_by("-number").first()
            self._last_live = segments.exclude(live_number=None).order_by("-live_number").first()
            self._is_loaded = True

    def _epoch(self, source: Input, start: float, end: float, received_at: datetime) -> datetime:
        """Return the wall time of the container's media time 0.

        It is fixed by the first segment, so that nothing drifts; later ones only show that it must be earlier.
        """
        container = source.container
        epoch, arrival = container.epoch, received_at - timedelta(seconds=end)
        if epoch is None:
            epoch = arrival
            if (
                self._last
                and timedelta(0) < self._last.ends_at - (epoch + timedelta(seconds=start)) < MAX_OVERLAP
            ):
                epoch = self._last.ends_at - timedelta(seconds=start)
        # A recorder is started by the page that has opened the session.
        return max(min(epoch, arrival + MAX_AHEAD), container.session.opened_at)

    def _segment(
        self, container: Container, body: dict[str, float], epoch: datetime, files: _Files
    ) -> Segment:
        last, last_live = self._last, self._last_live
        duration_s = body["end"] - body["start"]
        segment = Segment(
            webinar_id=self._webinar_id,
            session_id=container.session_id,
            container=container,
            number=last.number + 1 if last else 0,
            name=files.name,
            init=files.init,
            size=files.size,
            audio_name=files.audio_name,
            audio_init=files.audio_init,
            audio_size=files.audio_size,
            starts_at=epoch + timedelta(seconds=body["start"]),
            duration_s=duration_s,
            media_start=body["start"],
            frames=body["frames"],
            discontinuity=last is None or last.container_id != container.pk or _has_gap(last, body["start"]),
        )
        # The first data of a recorder was recorded just before it arrived, whatever its times say.
        middle = segment.starts_at + timedelta(seconds=duration_s / 2)
        middle = max(middle, container.received_at or middle)
        if is_live_at(live_spans(self._webinar_id), middle):
            segment.live_number = (
                last_live.live_number + 1 if last_live and last_live.live_number is not None else 0
            )
            follows = last_live and last_live.number == segment.number - 1 and not segment.discontinuity
            breaks = (last_live.live_break or 0) if last_live else 0
            segment.live_break = breaks if follows or last_live is None else breaks + 1
        return segment

    def _save_progress(self, source: Input, body: dict[str, float], epoch: datetime, header: bytes) -> None:
        """Store the position of the first data that is in no segment yet, and delete the chunks before it."""
        container = source.container
        resume = source.locate(int(body["resume_pos"]))
        container.resume_n, container.resume_at = max(
            (container.resume_n, container.resume_at), (resume.n, resume.at)
        )
        if not container.header and header:
            container.header = header
        container.epoch, container.media_end, container.audio_end = epoch, body["end"], body["audio_end"]
        container.save()
        Chunk.objects.filter(session_id=container.session_id, n__lt=container.resume_n).delete()
        source.forget_before(container.resume_n)

    def _save_session(self, session_id: UUID, body: dict[str, float], size: int) -> None:
        self._rates = [*self._rates[-9:], (size, body["end"] - body["start"])]
        bits, seconds = sum(size * 8 for size, _ in self._rates), sum(length for _, length in self._rates)
        BroadcastSession.objects.filter(pk=session_id).update(
            width=body["width"], height=body["height"], kbps=round(bits / max(seconds, 0.1) / 1000)
        )

    def finish_container(self, container: Container, next_n: int) -> None:
        """Close a container whose data is completely in segments. Raises LeaseLost."""
        with transaction.atomic():
            lease.check(*self._lease)
            Container.objects.filter(pk=container.pk).update(finished=True)
            Chunk.objects.filter(session_id=container.session_id, n__lt=next_n).delete()

    def refuse(self, container: Container, next_n: int, code: str) -> None:
        """Close a refused container, and store the reason. Raises LeaseLost."""
        with transaction.atomic():
            self.finish_container(container, next_n)
            BroadcastSession.objects.filter(pk=container.session_id).update(fault=code)


def _has_gap(last: Segment, start: float) -> bool:
    return abs(start - last.media_start - last.duration_s) > MAX_GAP_S
