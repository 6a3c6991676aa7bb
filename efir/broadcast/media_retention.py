"""Delete media that are no longer needed: those outside a finished recording, and those that are too old."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Subquery

from efir.broadcast import media, recordings
from efir.broadcast.models import BroadcastSession, LowSegment, Recording, RecordingState, Segment
from efir.broadcast.playlist import ADDRESS_VALID
from efir.broadcast.recording_parts import parts_of
from efir.hooks.actions import Context, Source
from efir.lib import clock
from efir.webinars import core
from efir.webinars.models import Webinar

# Segments in one call of the worker's job: each is up to four files.
BATCH = 500
# The lower rung is only for the room: its segments are not needed this long after they left the playlist.
LOW_RETENTION = 3 * ADDRESS_VALID

log = structlog.get_logger(__name__)


def prune_media() -> bool:
    """Delete a batch of media that are not kept; return whether there may be more."""
    return delete_low() or delete_outside_recordings() or delete_old()


def delete_low() -> bool:
    """Delete unlisted segments of the lower rung, except the last one of a live webinar, which has its numbers."""
    last = LowSegment.objects.filter(webinar=OuterRef("webinar")).order_by("-live_number").values("pk")[:1]
    old = LowSegment.objects.filter(created_at__lt=clock.now() - LOW_RETENTION)
    done = old.filter(~Q(pk=Subquery(last)) | Q(webinar__status__in=recordings.OVER))
    rows = list(done.order_by("pk")[:BATCH])
    _delete_low_segments(rows)
    return bool(rows)


def delete_outside_recordings() -> bool:
    """Delete segments from outside live time, once the recording is ready and no more data can arrive."""
    unfinished = BroadcastSession.objects.filter(webinar=OuterRef("webinar"), finished=False)
    ready = Recording.objects.filter(~Exists(unfinished), tidied=False).exclude(
        state=RecordingState.PREPARING
    )
    recording = ready.order_by("pk").first()
    if recording is None:
        return False
    kept = {segment.pk for segment in parts_of(recording.pk).segments}
    segments = Segment.objects.filter(webinar=recording.pk)
    ids = [pk for pk in segments.values_list("pk", flat=True) if pk not in kept]
    if ids:
        _delete_segments(list(segments.filter(pk__in=ids[:BATCH])))
    if len(ids) <= BATCH:
        ready.filter(pk=recording.pk).update(tidied=True)
    return True


def delete_old() -> bool:
    """Delete the media of webinars that ended more than `EFIR_MEDIA_DAYS` ago, and rehearsals of that age."""
    if not settings.EFIR.media_days:
        return False
    before = clock.now() - timedelta(days=settings.EFIR.media_days)
    old = Q(webinar__finished_at__lt=before)
    for recording in Recording.objects.filter(old).exclude(state=RecordingState.DELETED):
        _delete_recording(recording)
    rehearsed = Q(webinar__started_at=None, created_at__lt=before)
    segments = list(Segment.objects.filter(old | rehearsed).order_by("pk")[:BATCH])
    _delete_segments(segments)
    return bool(segments)


def _delete_recording(recording: Recording) -> None:
    """Delete the recording: its page, its file, and its address where it was published."""
    webinar = Webinar.objects.get(pk=recording.pk)
    if recordings.is_published(webinar, recording):
        core.withdraw_recording(webinar.pk, Context(None, Source.SYSTEM))
    Recording.objects.filter(pk=recording.pk).update(state=RecordingState.DELETED)
    if recording.file:
        media.store().delete(recording.file)
    log.info("recording_deleted", webinar_id=recording.pk)


def _delete_segments(segments: list[Segment]) -> None:
    """Delete the files, then the rows: after a crash the remaining files are still found by their rows."""
    ids = [segment.pk for segment in segments]
    _delete_low_segments(list(LowSegment.objects.filter(segment__in=ids)))
    others = Segment.objects.exclude(pk__in=ids).filter(
        container__in={each.container_id for each in segments}
    )
    shared = {name for names in others.values_list("init", "audio_init") for name in names}
    for segment in segments:
        for name in (segment.name, segment.init, segment.audio_name, segment.audio_init):
            if name and name not in shared:
                media.store().delete(name)
    Segment.objects.filter(pk__in=ids).delete()
    if segments:
        log.info("media_deleted", webinar_ids=sorted({each.webinar_id for each in segments}), count=len(ids))


def _delete_low_segments(rows: list[LowSegment]) -> None:
    ids = [row.pk for row in rows]
    names = {name for row in rows for name in (row.name, row.init)}
    shared = LowSegment.objects.exclude(pk__in=ids).filter(init__in=names).values_list("init", flat=True)
    for name in names.difference(shared):
        media.store().delete(name)
    LowSegment.objects.filter(pk__in=ids).delete()
