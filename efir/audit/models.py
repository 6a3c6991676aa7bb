"""Audit entries, which stay forever, and the IP addresses of actions, which are deleted in time."""

from __future__ import annotations

from django.db import models

from efir.audit.actions import Action
from efir.hooks.actions import Source


class AuditEntry(models.Model):
    """One action, written in the transaction of its change. Append-only.

    `actor_id` (None for the system and the command line), `person_id` (the person affected) and `webinar_id` are plain
    numbers, so that an erased person leaves only an id. `details` has a change's values before and after, and nothing
    that identifies a person.
    """

    at = models.DateTimeField(db_index=True)
    actor_id = models.BigIntegerField(null=True)
    source = models.CharField(max_length=10, choices=[(source.value, source.value) for source in Source])
    action = models.CharField(max_length=40, choices=[(action.value, action.value) for action in Action])
    webinar_id = models.BigIntegerField(null=True)
    person_id = models.BigIntegerField(null=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["actor_id", "at"], name="audit_by_actor"),
            models.Index(fields=["person_id", "at"], name="audit_about_person"),
            models.Index(fields=["webinar_id", "at"], name="audit_about_webinar"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"


class Origin(models.TextChoices):
    """The table that records an action."""

    AUDIT = "audit"
    LEDGER = "ledger"
    JOURNAL = "journal"


class AuditAddress(models.Model):
    """The IP address of an action; deleted after `EFIR_ADDRESS_DAYS`, and when its person is erased."""

    origin = models.CharField(max_length=10, choices=Origin.choices)
    entry_id = models.BigIntegerField()
    actor_id = models.BigIntegerField(null=True, db_index=True)
    address = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["origin", "entry_id"], name="audit_address_once")]

    def __str__(self) -> str:
        return f"{self.origin} {self.entry_id}"
