"""The recording of an own broadcast: when it is due, which worker prepares it, its state, and its publication."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from efir.broadcast.models import BroadcastSession, Recording, RecordingState, Segment
from efir.hooks.actions import ActionRefused, Code, Context, Source
from efir.lib import clock
from efir.lib.compiled_query import CompiledQuery, Parameter
from efir.webinars import core
from efir.webinars.absolute_urls import absolute_url
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# Another worker takes over from one that was killed after this long.
CLAIM = timedelta(seconds=10)
OVER = (Status.FINISHED, Status.ARCHIVED)

log = structlog.get_logger(__name__)


def due() -> list[int]:
    """Return the ids of the webinars whose recording can be prepared now and is not claimed.

    The live time is complete as soon as each session has ended or has a segment that ends after the stop, because a
    session's segments come in order.
    """
    return [pk for (pk,) in _DUE.rows(now=clock.now())]


def _due() -> QuerySet[Webinar, tuple[int]]:
    past_the_stop = Segment.objects.filter(
        session=OuterRef("pk"), starts_at__gte=OuterRef("webinar__finished_at")
    )
    unfinished = BroadcastSession.objects.filter(
        ~Exists(past_the_stop), webinar=OuterRef("pk"), finished=False
    )
    segments = Segment.objects.filter(webinar=OuterRef("pk"))
    unclaimed = Q(recording__claimed_until=None) | Q(
        recording__claimed_until__lt=Parameter("now", Recording, "claimed_until")
    )
    preparing = Q(recording__state=RecordingState.PREPARING) & unclaimed
    webinars = Webinar.objects.filter(
        Q(recording=None) | preparing, Exists(segments), ~Exists(unfinished), status__in=OVER
    )
    return webinars.order_by("finished_at").values_list("pk")


_DUE = CompiledQuery(_due)  # every second


def claim(webinar_id: int, holder: UUID) -> bool:
    """Claim a recording, to prepare it; return False if another worker has claimed it."""
    now = clock.now()
    Recording.objects.get_or_create(webinar_id=webinar_id, defaults={"token": secrets.token_urlsafe(16)})
    free = Recording.objects.filter(
        Q(claimed_until=None) | Q(claimed_until__lt=now),
        webinar_id=webinar_id,
        state=RecordingState.PREPARING,
    )
    return bool(free.update(claimed_by=holder, claimed_until=now + CLAIM))


def renew(webinar_id: int, holder: UUID) -> bool:
    """Extend the claim of a recording; return False if another worker has claimed it by now."""
    ours = Recording.objects.filter(webinar_id=webinar_id, claimed_by=holder, state=RecordingState.PREPARING)
    return bool(ours.update(claimed_until=clock.now() + CLAIM))


def release(webinar_id: int, holder: UUID) -> None:
    """Release a recording that could not be prepared, so that it is due again."""
    ours = Recording.objects.filter(webinar_id=webinar_id, claimed_by=holder)
    ours.update(claimed_by=None, claimed_until=None)


def complete(webinar_id: int, holder: UUID, **fields: Any) -> bool:
    """Make the recording ready with these fields, and publish it if its webinar says so.

    A recording without seconds does not exist: all media are from outside the live time. Return False if another worker
    has claimed it by now.
    """
    state = RecordingState.READY if fields.get("seconds") else RecordingState.DELETED
    with transaction.atomic():
        ours = Recording.objects.filter(
            webinar_id=webinar_id, claimed_by=holder, state=RecordingState.PREPARING
        )
        done = ours.update(state=state, ready_at=clock.now(), claimed_by=None, claimed_until=None, **fields)
        webinar = Webinar.objects.get(pk=webinar_id)
        if done and state == RecordingState.READY and webinar.auto_publish and not webinar.recording_url:
            try:
                publish(webinar_id, Context(None, Source.SYSTEM))
            except ActionRefused as refused:  # archived meanwhile
                log.warning("recording_not_published", webinar_id=webinar_id, code=refused.code.value)
        return bool(done)


def publish(webinar_id: int, context: Context) -> Webinar:
    """Publish the webinar's own recording. Raises ActionRefused, too, while it is not ready."""
    recording = Recording.objects.filter(webinar_id=webinar_id, state=RecordingState.READY).first()
    if recording is None:
        core.check_webinar(webinar_id)
        raise ActionRefused(Code.RECORDING_NOT_READY, "there is no own recording that can be played yet")
    return core.publish_recording(webinar_id, url_of(recording), context)


def find(webinar: Webinar) -> Recording | None:
    """Return the webinar's own recording, or None."""
    return Recording.objects.filter(webinar=webinar).first()


def is_expected(webinar: Webinar) -> bool:
    """Return whether the webinar is over and had a broadcast, so that a recording will follow."""
    return webinar.state in OVER and Segment.objects.filter(webinar=webinar).exists()


def path_of(recording: Recording) -> str:
    """Return the path of a recording's public page."""
    return f"/recordings/{recording.token}/"


def url_of(recording: Recording) -> str:
    """Return the address of a recording's public page."""
    return absolute_url(path_of(recording))


def is_published(webinar: Webinar, recording: Recording | None) -> bool:
    """Return whether the published recording is the own one: its address may have had another host then."""
    return bool(recording and webinar.recording_url.endswith(path_of(recording)))


def summary(webinar: Webinar) -> dict[str, Any]:
    """Return the own recording for programs: `state`, `seconds`, `url`."""
    recording = find(webinar)
    if recording is None or recording.state == RecordingState.DELETED:
        state = "preparing" if recording is None and is_expected(webinar) else "none"
        return {"state": state, "seconds": 0, "url": None}
    if recording.state == RecordingState.PREPARING:
        return {"state": "preparing", "seconds": 0, "url": None}
    state = "published" if is_published(webinar, recording) else "ready"
    return {"state": state, "seconds": round(recording.seconds, 1), "url": url_of(recording)}
