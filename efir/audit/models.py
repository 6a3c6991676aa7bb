"""Deeds, which stay for ever, and the addresses they came from, which do not."""

from __future__ import annotations

from django.db import models

from efir.audit.actions import Action
from efir.hooks.actions import Source


class AuditEntry(models.Model):
    """One deed, written in the transaction of the change it tells of. Append-only.

    `actor_id` (none for the system and the command line), `person_id` (whom it was done to) and `webinar_id` are
    plain numbers: an erased person leaves no more than a number here. `details`: for a change, each field with its
    value before and after; nothing that says who somebody is.
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
    """Which table tells of a deed."""

    AUDIT = "audit"
    LEDGER = "ledger"
    JOURNAL = "journal"


class AuditAddress(models.Model):
    """From which address a deed came; forgotten after `EFIR_ADDRESS_DAYS`, and when its person is erased."""

    origin = models.CharField(max_length=10, choices=Origin.choices)
    entry_id = models.BigIntegerField()
    actor_id = models.BigIntegerField(null=True, db_index=True)
    address = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["origin", "entry_id"], name="audit_address_once")]

    def __str__(self) -> str:
        return f"{self.origin} {self.entry_id}"
