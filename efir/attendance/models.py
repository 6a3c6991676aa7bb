"""Participations, verdicts, and the progress of a webinar's classification."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from django.db import models
from django.utils.translation import gettext_lazy as _

from efir.accounts.models import Person
from efir.webinars.models import Webinar

# Codes of the first release. A migration has renamed them; an older process may still write them during an upgrade.
RENAMED_UNKNOWN_REASONS = {
    "final_grace_unseen": "end_not_recorded",
    "live_time_unseen": "live_time_not_recorded",
}


class VerdictReason(models.TextChoices):
    """The reasons of verdicts."""

    STAYED_TO_END = "stayed_to_end", _("до конца")
    WATCHED_TOO_LITTLE = "watched_too_little", _("просмотрено слишком мало")
    NOT_WATCHED = "not_watched", _("в комнате, но без просмотра")
    LEFT_EARLY = "left_early", _("выход раньше времени")
    NO_SHOW = "no_show", _("без входа в эфир")
    UNKNOWN = "unknown", _("неизвестно")
    DECIDED_BY_ADMIN = "decided_by_admin", _("решение администратора")


class UnknownReason(models.TextChoices):
    """The reasons for which a verdict is unknown."""

    END_NOT_RECORDED = "end_not_recorded", _("система не работала в конце эфира")
    PROCESS_DIED = "process_died", _("сервер, который видел этого зрителя, упал или завис")
    CLOCK_MOVED = "clock_moved", _("часы сервера перевели во время эфира")
    LIVE_TIME_NOT_RECORDED = "live_time_not_recorded", _("система не работала часть эфира")
    WATCHING_NOT_RECORDED = (
        "watching_not_recorded",
        _("система не видела часть просмотра, а она могла решить"),
    )


class Participation(models.Model):
    """A person was in the room at a live moment.

    `is_lead` is the state at that moment: a later change of role does not matter.
    """

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
    """The server's verdict on one lead. `attended` is None while the verdict is held for a person to decide.

    `intervals` are the lead's presence, and `unseen` the time in which a lost process may have held them, both clipped
    to live time, as pairs of ISO 8601 times; release 0.1 did not store `unseen`. With the ledger and the parameters in
    `rule` they give the same verdict again. `reason` is a `VerdictReason`, `why_unknown` an `UnknownReason` or empty.

    Of watching: when the lead first opened the broadcast, what they watched, and `watching_unseen`, the time in which
    watching could not have been recorded. `watched` is None if watching was not recorded.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="verdicts")
    lead = models.ForeignKey(Person, models.PROTECT, related_name="verdicts")
    attended = models.BooleanField(null=True)
    reason = models.CharField(max_length=20)
    rule = models.CharField(max_length=100)
    why_unknown = models.CharField(max_length=30, blank=True)
    intervals = models.JSONField()
    unseen = models.JSONField(null=True)
    present_s = models.FloatField()
    opened_at = models.DateTimeField(null=True)
    watched = models.JSONField(null=True)
    watching_unseen = models.JSONField(null=True)
    watched_s = models.FloatField(null=True)
    live_s = models.FloatField(null=True)
    classified_at = models.DateTimeField()
    decided_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webinar", "lead"], name="verdict_once")]
        # With the lead: before PostgreSQL has statistics, it also uses this index to look up a lead's verdict.
        indexes = [
            models.Index(fields=["webinar", "lead"], condition=models.Q(attended=None), name="verdict_held")
        ]

    def __str__(self) -> str:
        return f"{self.lead_id} in {self.webinar_id}: {self.reason}"

    @property
    def unknown_reason(self) -> str:
        """`why_unknown` by this release's code, also if an older process wrote it."""
        return RENAMED_UNKNOWN_REASONS.get(self.why_unknown, self.why_unknown)

    @property
    def spans(self) -> list[tuple[datetime, datetime]]:
        """`intervals` as datetimes."""
        return _parse_spans(self.intervals)

    @property
    def unseen_spans(self) -> list[tuple[datetime, datetime]] | None:
        """`unseen` as datetimes; None if it was not stored."""
        return None if self.unseen is None else _parse_spans(self.unseen)

    @property
    def watched_spans(self) -> list[tuple[datetime, datetime]] | None:
        """`watched` as datetimes; None if watching was not recorded."""
        return None if self.watched is None else _parse_spans(self.watched)

    @property
    def watching_unseen_spans(self) -> list[tuple[datetime, datetime]]:
        """`watching_unseen` as datetimes."""
        return _parse_spans(self.watching_unseen or [])


def _parse_spans(pairs: Sequence[tuple[str, str]]) -> list[tuple[datetime, datetime]]:
    return [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in pairs]


class Classification(models.Model):
    """The classification of one webinar: workers process it in chunks, one at a time, until `done_at`.

    `heartbeats`: recorder id → its last heartbeat when the classification began. All verdicts are given by what had
    been written then; release 0.1 did not store it. `evidence_pruned_at`: when the recorded presence was deleted; each
    verdict keeps its own intervals.
    """

    webinar = models.OneToOneField(Webinar, models.PROTECT, related_name="classification")
    heartbeats = models.JSONField(null=True)
    done_at = models.DateTimeField(null=True)
    evidence_pruned_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.webinar_id}: {self.done_at or 'not done'}"

    @property
    def as_of(self) -> dict[UUID, datetime] | None:
        """`heartbeats` as ids and datetimes; None if they were not stored."""
        if self.heartbeats is None:
            return None
        return {UUID(key): datetime.fromisoformat(value) for key, value in self.heartbeats.items()}


class ClassificationChunk(models.Model):
    """Leads of one webinar who are still to be classified, in one transaction; the row is deleted in it.

    The leads of one inviter follow each other. `continued_inviter`: the one some of whose leads were in the chunk
    before, so that not all of their verdicts exist yet.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    lead_ids = models.JSONField()
    continued_inviter = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webinar", "number"], name="classification_chunk_once")
        ]
        indexes = [models.Index(fields=["webinar", "continued_inviter"], name="classification_unfinished")]

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.webinar_id}"


def has_verdicts_to_come(webinar_id: str, inviter_id: str) -> models.Exists:
    """Return a condition for a query: some leads of the inviter have their verdicts, and others not yet.

    webinar_id, inviter_id: the names of the query's columns.
    """
    return models.Exists(
        ClassificationChunk.objects.filter(
            webinar_id=models.OuterRef(webinar_id), continued_inviter_id=models.OuterRef(inviter_id)
        )
    )


def inviters_with_verdicts_to_come(webinar_id: int) -> set[int]:
    """Return the inviters some of whose leads have their verdicts of the webinar, and others not yet."""
    unfinished = ClassificationChunk.objects.filter(webinar_id=webinar_id).exclude(continued_inviter=None)
    return set(unfinished.values_list("continued_inviter_id", flat=True))
