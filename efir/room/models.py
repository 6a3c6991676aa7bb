"""Records of the rooms, written by the web processes: presence, watching, presses of the call-to-action."""

from __future__ import annotations

from uuid import uuid4

from django.db import models

from efir.accounts.models import Person
from efir.webinars.models import Webinar


class Recorder(models.Model):
    """A period in which one web process recorded presence without a gap, from `started_at` to `pulsed_at`.

    `pulsed_at` is the heartbeat: it moves with every flush, and everything up to it is in the database. `closed_at` is
    set by a clean shutdown; without it, a heartbeat that no longer moves means that the process has died.
    `repeats_until`: the clock was set back, and the time between `started_at` and this moment occurred twice.
    `skipped_from`: the clock was set ahead, and the time between this moment and `started_at` never occurred.
    `records_watching`: None in the rows of release 0.1, which recorded presence alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid4)
    started_at = models.DateTimeField()
    pulsed_at = models.DateTimeField(db_index=True)
    closed_at = models.DateTimeField(null=True)
    repeats_until = models.DateTimeField(null=True)
    skipped_from = models.DateTimeField(null=True)
    records_watching = models.BooleanField(null=True)
    counts = models.JSONField(default=dict)  # webinar id → people in its room at the heartbeat

    def __str__(self) -> str:
        return str(self.id)


class PresenceInterval(models.Model):
    """One person in one room, recorded by one process, from `began_at` until `ended_at`.

    Simultaneous connections of a person are one interval, and each further one is an empty interval. An open interval
    reaches to the recorder's heartbeat, so a viewer who stays costs no writes.
    """

    recorder = models.ForeignKey(Recorder, models.PROTECT, related_name="intervals")
    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="presence")
    person = models.ForeignKey(Person, models.PROTECT, related_name="presence")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["recorder", "webinar", "person", "began_at"], name="presence_once"
            ),
        ]
        indexes = [
            models.Index(fields=["webinar", "person"]),
            models.Index(fields=["webinar"], name="presence_open", condition=models.Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.webinar_id} from {self.began_at}"


class WatchingInterval(models.Model):
    """One person watching one broadcast: while they have streams that were opened as `…/stream?watching=1`.

    Recorded beside presence and in the same way. It counts from the person's opening on.
    """

    recorder = models.ForeignKey(Recorder, models.PROTECT, related_name="watching")
    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="watching")
    person = models.ForeignKey(Person, models.PROTECT, related_name="watching")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["recorder", "webinar", "person", "began_at"], name="watching_once"
            ),
        ]
        indexes = [models.Index(fields=["webinar", "person"])]

    def __str__(self) -> str:
        return f"{self.person_id} watching {self.webinar_id} from {self.began_at}"


class Opening(models.Model):
    """The first time a person opened the broadcast of a webinar; only from then on can they be watching."""

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="openings")
    person = models.ForeignKey(Person, models.PROTECT, related_name="openings")
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webinar", "person"], name="opening_once")]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.webinar_id} at {self.opened_at}"


class CtaPress(models.Model):
    """The first time a person pressed the room's call-to-action while it was shown."""

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="cta_presses")
    person = models.ForeignKey(Person, models.PROTECT, related_name="cta_presses")
    pressed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webinar", "person"], name="cta_press_once")]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.webinar_id} at {self.pressed_at}"


class PlaybackTrouble(models.Model):
    """A person in a room without a picture, as last reported at `told_at`; deleted when the picture plays."""

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="playback_troubles")
    person = models.ForeignKey(Person, models.PROTECT, related_name="playback_troubles")
    told_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webinar", "person"], name="playback_trouble_once")]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.webinar_id} at {self.told_at}"


class SpeakerPageSeen(models.Model):
    """When somebody with `manage_status` last had the webinar's speaker page open."""

    webinar = models.OneToOneField(Webinar, models.PROTECT, related_name="+")
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "room_attention"  # the model's name in the first release

    def __str__(self) -> str:
        return f"{self.webinar_id} at {self.seen_at}"
