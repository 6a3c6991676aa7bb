"""Who was in which room when, as the web processes recorded it."""

from __future__ import annotations

from uuid import uuid4

from django.db import models

from efir.accounts.models import Person
from efir.webinars.models import Webinar


class Recorder(models.Model):
    """A stretch of a web process's life without a blind moment: from `started_at` to `pulsed_at` it was recording.

    `pulsed_at` moves with every flush, so everything up to then is in the database. `closed_at` is set by a clean
    end; without it, a pulse that no longer moves is a process that died unseen. `repeats_until`: the clock had been set
    back, and what lies between `started_at` and this moment came twice.
    """

    id = models.UUIDField(primary_key=True, default=uuid4)
    started_at = models.DateTimeField()
    pulsed_at = models.DateTimeField(db_index=True)
    closed_at = models.DateTimeField(null=True)
    repeats_until = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)  # webinar's id → people in its room at the pulse

    def __str__(self) -> str:
        return str(self.id)


class PresenceInterval(models.Model):
    """One person in one room, seen by one recorder, from `began_at` until `ended_at`.

    Several connections of a person at once are one interval. While it is open, it reaches to the recorder's pulse,
    so a viewer who sits still costs no writing.
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


class Attention(models.Model):
    """When somebody with `manage_status` last had the webinar's speaker's page open."""

    webinar = models.OneToOneField(Webinar, models.PROTECT, related_name="attention")
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.webinar_id} at {self.seen_at}"
