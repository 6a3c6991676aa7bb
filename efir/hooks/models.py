"""The journal: what happened, once and for ever; and calls to outside listeners that are still owed."""

from __future__ import annotations

from django.db import models


class JournalEntry(models.Model):
    """One fact. `webinar_id` and `lead_id` are plain numbers: this package knows nobody."""

    event = models.CharField(max_length=64)
    webinar_id = models.BigIntegerField()
    lead_id = models.BigIntegerField()
    moment = models.DateTimeField()
    payload = models.JSONField()
    actor_id = models.BigIntegerField(null=True)
    recorded_at = models.DateTimeField()
    # Which call of emit wrote the row: tells the winner of two equal facts at once.
    batch = models.UUIDField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "webinar_id", "lead_id"], name="journal_each_fact_once"),
        ]
        indexes = [
            models.Index(
                fields=["recorded_at"],
                name="journal_decided",
                condition=models.Q(actor_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} lead={self.lead_id} webinar={self.webinar_id}"


class OwedCall(models.Model):
    """An outside listener failed on a fact: it is called again until it succeeds."""

    listener = models.CharField(max_length=200)
    entry = models.ForeignKey(JournalEntry, models.PROTECT, related_name="owed_calls")
    attempts = models.PositiveIntegerField(default=1)
    due_at = models.DateTimeField(db_index=True)
    error = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["listener", "entry"], name="owed_call_once")]

    def __str__(self) -> str:
        return f"{self.listener} owes {self.entry_id}"
