"""The journal of facts, and the calls of outside listeners that have to be repeated."""

from __future__ import annotations

from django.db import models


class JournalEntry(models.Model):
    """One fact, written once. The ids are plain numbers, since this package knows no other model."""

    event = models.CharField(max_length=64)
    webinar_id = models.BigIntegerField()
    lead_id = models.BigIntegerField()
    moment = models.DateTimeField()
    payload = models.JSONField()
    actor_id = models.BigIntegerField(null=True)
    recorded_at = models.DateTimeField()
    # The call of emit that wrote the row: shows which of two concurrent emitters of the same fact was first.
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


class ListenerRetry(models.Model):
    """A call of an outside listener that failed; it is repeated until it succeeds."""

    listener = models.CharField(max_length=200)
    entry = models.ForeignKey(JournalEntry, models.PROTECT, related_name="listener_retries")
    attempts = models.PositiveIntegerField(default=1)
    due_at = models.DateTimeField(db_index=True)
    error = models.TextField()

    class Meta:
        db_table = "hooks_owedcall"  # the model's earlier name: tables keep theirs
        constraints = [models.UniqueConstraint(fields=["listener", "entry"], name="owed_call_once")]

    def __str__(self) -> str:
        return f"{self.listener} entry={self.entry_id}"
