"""Receive a sender's data: open a session, accept its chunks in order, end it. Accepted means committed."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.dispatch import Signal
from django.utils.crypto import salted_hmac

from efir.accounts.models import Person
from efir.broadcast import media
from efir.broadcast.models import BroadcastSession, Chunk, SessionSource, SessionState
from efir.broadcast.scanner import container_kind
from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock, metrics
from efir.webinars.lifecycle import Status, Video
from efir.webinars.models import Webinar

# Four seconds at the highest accepted rate; a recorder's chunk has half a second or one.
MAX_CHUNK_BYTES = 4 * 1024 * 1024
MAX_MIME = 200
# A page that lost its connection keeps a minute and sends it when it reconnects, even after the stop.
LATE = timedelta(seconds=60)
# A sender that has been silent for longer than a page keeps data is gone, so another may replace it without asking.
SILENT_AFTER = timedelta(seconds=60)
# A page that was closed abruptly leaves its session open. After this time it will not come back.
ABANDONED_AFTER = timedelta(minutes=30)
# For an hour of 1.5 Mbit/s: picture and sound, the sound alone, and the recording as one file.
BYTES_PER_S = 425_000

# Sent after the commit, in the process that accepted a chunk or changed a session, with `webinar_id`.
input_changed = Signal()

log = structlog.get_logger(__name__)


class BroadcastCode(StrEnum):
    """The codes with which a sender is refused."""

    TAKEN = "broadcast_taken"
    NOT_OWN = "broadcast_not_own"
    NO_SPACE = "broadcast_no_space"
    OVER = "broadcast_over"
    GAP = "broadcast_gap"
    SUPERSEDED = "broadcast_superseded"
    UNKNOWN = "broadcast_unknown"
    TOO_LARGE = "broadcast_too_large"
    UNREADABLE = "broadcast_unreadable"


STATUS = {
    BroadcastCode.SUPERSEDED: 410,
    BroadcastCode.OVER: 410,
    BroadcastCode.UNKNOWN: 410,
    BroadcastCode.TOO_LARGE: 413,
    BroadcastCode.UNREADABLE: 422,
}


class BroadcastRefused(Exception):
    """A session or a chunk is refused; nothing has changed. `more`: further fields of the response."""

    def __init__(self, code: BroadcastCode, **more: Any) -> None:
        super().__init__(code.value)
        self.code = code
        self.more = more

    @property
    def chunk_status(self) -> int:
        """The HTTP status of this answer to a chunk."""
        return STATUS.get(self.code, 409)


def device_of(session_key: str) -> str:
    """Return a digest of a login session, which identifies pages in the same browser."""
    return salted_hmac("efir.broadcast.device", session_key).hexdigest() if session_key else ""


def open_session(  # noqa: PLR0913  # the facts about a sender
    webinar_id: int,
    person: Person | None,
    *,
    source: SessionSource,
    mime: str = "",
    take_over: bool = False,
    device: str = "",
) -> BroadcastSession:
    """Open a session for a new sender.

    Args:
        webinar_id: the webinar; the caller has checked that the person may send to it. person: who sends, None for an
        encoder with the webinar's key. source: where the bytes come from. mime: the recorder's type. take_over: whether
        to supersede an earlier sender that is still active. device: `device_of` the sender. An earlier session of the
        same person and device is superseded unasked.

    Raises BroadcastRefused, and ActionRefused if there is no such webinar.
    """
    with transaction.atomic():
        webinar = Webinar.objects.select_for_update(no_key=True).filter(pk=webinar_id).first()
        if webinar is None:
            raise ActionRefused(Code.NOT_FOUND, f"no webinar {webinar_id}")
        if webinar.video != Video.OWN:
            raise BroadcastRefused(BroadcastCode.NOT_OWN)
        if webinar.state in (Status.FINISHED, Status.ARCHIVED):
            raise BroadcastRefused(BroadcastCode.OVER)
        earlier = BroadcastSession.objects.filter(webinar=webinar, state=SessionState.OPEN).first()
        is_asked = earlier and not take_over and not _is_own(earlier, person, device)
        if earlier and is_asked and _silent_for(earlier) < SILENT_AFTER:
            raise BroadcastRefused(BroadcastCode.TAKEN, source=earlier.source)
        if not has_space(webinar):
            raise BroadcastRefused(BroadcastCode.NO_SPACE)
        if earlier:
            _close(earlier, SessionState.SUPERSEDED)
        session = BroadcastSession.objects.create(
            webinar=webinar, person=person, device=device, source=source, mime=mime[:MAX_MIME]
        )
        transaction.on_commit(lambda: _after_change(session, "broadcast_opened"))
        return session


def _silent_for(session: BroadcastSession) -> timedelta:
    return clock.now() - (session.last_chunk_at or session.opened_at)


def _is_own(earlier: BroadcastSession, person: Person | None, device: str) -> bool:
    return bool(device) and person is not None and (earlier.person_id, earlier.device) == (person.pk, device)


def has_space(webinar: Webinar) -> bool:
    """Return whether media for the webinar's planned length fit into the media store."""
    free = media.store().free_bytes()
    return free is None or free >= webinar.length_min * 60 * BYTES_PER_S


def accept_chunk(session_id: UUID, n: int, data: bytes, *, webinar_id: int, person: Person | None) -> None:
    """Accept the session's next chunk: when this returns, it is committed. An accepted `n` again changes nothing.

    Raises BroadcastRefused.
    """
    with transaction.atomic():
        session = _lock(session_id, webinar_id, person)
        if n < session.next_n:
            return
        if n > session.next_n:
            raise BroadcastRefused(BroadcastCode.GAP, expected=session.next_n)
        if len(data) > MAX_CHUNK_BYTES:
            raise BroadcastRefused(BroadcastCode.TOO_LARGE)
        begins = bool(container_kind(data))
        if not begins and (n == 0 or session.fault):
            raise BroadcastRefused(BroadcastCode.UNREADABLE, reason=session.fault or "container")
        if begins and (unplayable := unplayable_codec(data)):
            raise BroadcastRefused(BroadcastCode.UNREADABLE, reason="codec", codec=unplayable)
        now = clock.now()
        Chunk.objects.create(session=session, n=n, data=data, received_at=now)
        BroadcastSession.objects.filter(pk=session.pk).update(next_n=n + 1, last_chunk_at=now, fault="")
    metrics.BROADCAST_RECEIVED.inc(len(data))
    input_changed.send(sender=BroadcastSession, webinar_id=webinar_id)


# The names of codecs that recorders use, as in the headers of WebM and MP4.
_UNPLAYABLE = (
    b"V_VP8",
    b"V_VP9",
    b"V_AV1",
    b"V_MPEGH",
    b"A_VORBIS",
    b"vp08",
    b"vp09",
    b"av01",
    b"hvc1",
    b"hev1",
)
# A recorder's header is shorter than this, and what follows is media, in which these bytes mean nothing.
_HEADER_BYTES = 1500


def unplayable_codec(data: bytes) -> str:
    """Return the name of an unsupported codec if the header of this container has one, else an empty string.

    The child process checks everything; this check tells the sender at its first chunk.
    """
    head = data[:_HEADER_BYTES]
    return next((name.decode() for name in _UNPLAYABLE if name in head), "")


def end_session(session_id: UUID, *, webinar_id: int, person: Person | None) -> None:
    """End the session: nothing more comes. Idempotent. Raises BroadcastRefused."""
    with transaction.atomic():
        session = _find(session_id, webinar_id, person)
        if session.state == SessionState.OPEN:
            _close(session, SessionState.ENDED)
            transaction.on_commit(lambda: _after_change(session, "broadcast_ended"))


def end_stale(webinar_id: int) -> None:
    """End an open session that is abandoned, or whose webinar is over."""
    with transaction.atomic():
        session = (
            BroadcastSession.objects.select_for_update(no_key=True, of=("self",))
            .select_related("webinar")
            .filter(webinar_id=webinar_id, state=SessionState.OPEN)
            .first()
        )
        if session and (_is_over(session.webinar) or _silent_for(session) > ABANDONED_AFTER):
            _close(session, SessionState.ENDED)


def _lock(session_id: UUID, webinar_id: int, person: Person | None) -> BroadcastSession:
    session = _find(session_id, webinar_id, person)
    if session.state == SessionState.SUPERSEDED:
        raise BroadcastRefused(BroadcastCode.SUPERSEDED)
    if session.state == SessionState.ENDED or _is_over(session.webinar):
        raise BroadcastRefused(BroadcastCode.OVER)
    return session


def _find(session_id: UUID, webinar_id: int, person: Person | None) -> BroadcastSession:
    """Lock and return the session if it is this person's; otherwise raise as for an unknown one."""
    found = (
        BroadcastSession.objects.select_for_update(no_key=True, of=("self",))
        .select_related("webinar")
        .filter(pk=session_id, webinar_id=webinar_id)
        .first()
    )
    if found is None or found.person_id != (person.pk if person else None):
        raise BroadcastRefused(BroadcastCode.UNKNOWN)
    return found


def _is_over(webinar: Webinar) -> bool:
    if webinar.video != Video.OWN or webinar.state is Status.ARCHIVED:
        return True
    return webinar.finished_at is not None and clock.now() > webinar.finished_at + LATE


def _close(session: BroadcastSession, state: SessionState) -> None:
    BroadcastSession.objects.filter(pk=session.pk).update(state=state, ended_at=clock.now())
    log.info("broadcast_closed", webinar_id=session.webinar_id, session=str(session.pk), state=state.value)


def _after_change(session: BroadcastSession, event: str) -> None:
    log.info(event, webinar_id=session.webinar_id, session=str(session.pk), source=session.source)
    input_changed.send(sender=BroadcastSession, webinar_id=session.webinar_id)
