"""Participations, verdicts, and how far a webinar's classification is."""

from __future__ import annotations

from uuid import uuid4

from django.db import models

from efir.accounts.models import Person
from efir.webinars.models import Webinar


class Participation(models.Model):
    """Somebody was in the room at a live moment. `is_lead` is settled then; a later change of role changes nothing."""

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="participations")
    person = models.ForeignKey(Person, models.PROTECT, related_name="participations")
    session_id = models.UUIDField(default=uuid4, unique=True)
    is_lead = models.BooleanField()
    entered_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webinar", "person"], name="participation_once")]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.webinar_id}"


class Verdict(models.Model):
    """What the server decided about one lead. `attended` is None while the verdict is held.

    `intervals` are the stretches of presence, clipped to live time, as pairs of ISO instants; with the ledger and
    the values in `rule` they give the same verdict again.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="verdicts")
    lead = models.ForeignKey(Person, models.PROTECT, related_name="verdicts")
    attended = models.BooleanField(null=True)
    reason = models.CharField(max_length=20)
    rule = models.CharField(max_length=100)
    why_unknown = models.CharField(max_length=30, blank=True)
    intervals = models.JSONField()
    present_s = models.FloatField()
    classified_at = models.DateTimeField()
    decided_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webinar", "lead"], name="verdict_once")]
        indexes = [models.Index(fields=["webinar"], condition=models.Q(attended=None), name="verdict_held")]

    def __str__(self) -> str:
        return f"{self.lead_id} in {self.webinar_id}: {self.reason}"


class Classification(models.Model):
    """The work after one webinar's stop: workers take it in chunks, one at a time, until it is done.

    `evidence_pruned_at`: from then on the recorded presence is no longer there; each verdict keeps its own intervals.
    """

    webinar = models.OneToOneField(Webinar, models.PROTECT, related_name="classification")
    done_at = models.DateTimeField(null=True)
    evidence_pruned_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.webinar_id}: {self.done_at or 'not done'}"
