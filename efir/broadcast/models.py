"""The own broadcast in the database: sessions of senders, their chunks, and the segments made of them.

The database is the queue: a chunk that was answered with 204 is a committed row, which is deleted only when all its
data is in committed segments.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from django.db import models

from efir.accounts.models import Person
from efir.lib import clock
from efir.webinars.models import Webinar


class SessionSource(models.TextChoices):
    """The source of a session's data."""

    BROWSER = "browser"
    RTMP = "rtmp"


class SessionState(models.TextChoices):
    """`superseded`: another sender took over. `ended`: the sender said so, or nothing more is taken."""

    OPEN = "open"
    SUPERSEDED = "superseded"
    ENDED = "ended"


class BroadcastSession(models.Model):
    """One sender of one webinar, from its first request until it ends or is superseded."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="broadcast_sessions")
    # None: the sender used the webinar's stream key, which identifies nobody.
    person = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    # A keyed hash of the login session: after a reload the page takes over its earlier session without asking.
    device = models.CharField(max_length=64, blank=True)
    source = models.CharField(max_length=10, choices=SessionSource.choices)
    mime = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=SessionState.choices, default=SessionState.OPEN)
    opened_at = models.DateTimeField(default=clock.now)
    last_chunk_at = models.DateTimeField(null=True)
    next_n = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    # All accepted data is in segments, and no more can arrive.
    finished = models.BooleanField(default=False)
    # Why its container is refused, as found while it was read; the next chunk gets this code.
    fault = models.CharField(max_length=40, blank=True)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    kbps = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["webinar"], condition=models.Q(state="open"), name="one_open_session"
            )
        ]
        indexes = [models.Index(fields=["webinar", "finished"], name="session_unfinished")]

    def __str__(self) -> str:
        return f"{self.webinar_id}: {self.id}"


class Container(models.Model):
    """One container within a session: a recorder that was started again begins another one.

    `header`: its bytes before the first media, from which a reader can begin anywhere. `resume_n` and `resume_at`: the
    chunk, and the byte within it, from which everything that lies in no segment yet can be read. `media_end`: the
    media time in seconds at which the next segment begins. `epoch`: the wall time of media time 0.
    """

    session = models.ForeignKey(BroadcastSession, models.CASCADE, related_name="containers")
    first_n = models.PositiveIntegerField()
    kind = models.CharField(max_length=8)  # mp4, webm or flv
    header = models.BinaryField(default=b"")
    resume_n = models.PositiveIntegerField()
    resume_at = models.PositiveIntegerField(default=0)
    media_end = models.FloatField(null=True)
    audio_end = models.FloatField(
        null=True
    )  # the same for the sound, which may end a little earlier or later
    epoch = models.DateTimeField(null=True)
    received_at = models.DateTimeField(null=True)  # when its first chunk arrived
    finished = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "first_n"], name="container_once")]

    def __str__(self) -> str:
        return f"{self.session_id}: {self.kind} from {self.first_n}"


class Chunk(models.Model):
    """Some bytes of a session, in the order of `n`."""

    session = models.ForeignKey(BroadcastSession, models.CASCADE, related_name="chunks")
    n = models.PositiveIntegerField()
    data = models.BinaryField()
    received_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "n"], name="chunk_once")]

    def __str__(self) -> str:
        return f"{self.session_id}/{self.n}"


class Segment(models.Model):
    """A second or so of picture and sound: an immutable file in the media store, with the same sound alone beside it.

    `starts_at`: the wall time of its first frame. `discontinuity`: it begins another container. `live_number`: its
    EXT-X-MEDIA-SEQUENCE in the room, None outside live time; `live_break`: its EXT-X-DISCONTINUITY-SEQUENCE there.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="segments")
    session = models.ForeignKey(BroadcastSession, models.PROTECT, related_name="segments")
    container = models.ForeignKey(Container, models.PROTECT, related_name="segments")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=100, unique=True)
    init = models.CharField(max_length=100)
    size = models.PositiveIntegerField()
    # Empty if the sender sends no sound.
    audio_name = models.CharField(max_length=100, blank=True)
    audio_init = models.CharField(max_length=100, blank=True)
    audio_size = models.PositiveIntegerField(default=0)
    starts_at = models.DateTimeField()
    duration_s = models.FloatField()
    # Media time of its first frame in its container, in seconds.
    media_start = models.FloatField()
    frames = models.PositiveIntegerField()
    discontinuity = models.BooleanField(default=False)
    live_number = models.PositiveIntegerField(null=True)
    live_break = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webinar", "number"], name="segment_number_once"),
            models.UniqueConstraint(
                fields=["webinar", "live_number"],
                condition=models.Q(live_number__isnull=False),
                name="segment_live_number_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.webinar_id}: {self.number}"

    @property
    def ends_at(self) -> datetime:
        """The wall time of the end of its last frame."""
        return self.starts_at + timedelta(seconds=self.duration_s)


class LowSegment(models.Model):
    """The smaller picture of a segment, with the same sound and the same times: a file of the lower rung.

    Segments that could not be encoded in time have none. `live_number` and `live_break`: its EXT-X-MEDIA-SEQUENCE and
    EXT-X-DISCONTINUITY-SEQUENCE in `low.m3u8`, which goes on after what was left out with a discontinuity.
    """

    webinar = models.ForeignKey(Webinar, models.CASCADE, related_name="+")
    segment = models.OneToOneField(Segment, models.CASCADE, related_name="low")
    name = models.CharField(max_length=100, unique=True)
    init = models.CharField(max_length=100)
    size = models.PositiveIntegerField()
    live_number = models.PositiveIntegerField()
    live_break = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webinar", "live_number"], name="low_segment_number_once")
        ]

    def __str__(self) -> str:
        return f"{self.webinar_id}: low {self.live_number}"


class BroadcastLease(models.Model):
    """Which worker makes the segments of a webinar. `term` grows with every holder: it fences late commits."""

    webinar = models.OneToOneField(Webinar, models.CASCADE, primary_key=True, related_name="+")
    holder = models.UUIDField(null=True)
    expires_at = models.DateTimeField(null=True)
    term = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.webinar_id}: {self.holder}"


class StreamKey(models.Model):
    """The key with which an encoder publishes into one webinar; only its digest is kept (see `stream_keys`)."""

    webinar = models.OneToOneField(Webinar, models.CASCADE, primary_key=True, related_name="stream_key")
    digest = models.CharField(max_length=64, unique=True)
    issued_at = models.DateTimeField(default=clock.now)
    issued_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.webinar_id}"


class RecordingState(models.TextChoices):
    """`deleted`: its media are no longer kept (`EFIR_MEDIA_DAYS`)."""

    PREPARING = "preparing"
    READY = "ready"
    DELETED = "deleted"


class Recording(models.Model):
    """The recording of one webinar's own broadcast: the segments of its live time, and one file made of them.

    `token`: the last part of its public address. `seconds`: how long it plays; `missing_s`: seconds of the live time
    that it lacks. `file`: the name of the MP4 in the media store, empty if there was no space for it.
    `claimed_by` and `claimed_until`: the worker that prepares it.
    """

    webinar = models.OneToOneField(Webinar, models.PROTECT, primary_key=True, related_name="recording")
    token = models.CharField(max_length=43, unique=True)
    state = models.CharField(max_length=10, choices=RecordingState.choices, default=RecordingState.PREPARING)
    seconds = models.FloatField(default=0)
    missing_s = models.FloatField(default=0)
    file = models.CharField(max_length=100, blank=True)
    file_size = models.PositiveBigIntegerField(default=0)
    ready_at = models.DateTimeField(null=True)
    # Segments from outside live time have been deleted.
    tidied = models.BooleanField(default=False)
    claimed_by = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.webinar_id}"
