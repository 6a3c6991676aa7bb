"""Who is reached where, what waits to be sent, and which process sends it. No secret is stored here."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from efir.accounts.models import Person
from efir.lib import clock
from efir.webinars.models import Webinar

# The error of an uncertain message that a restored backup had waiting.
HELD_BY_RESTORE = "held by a restore: it may have gone out after the backup was made"
# In place of a text that told of somebody who is erased. Not empty: what was claimed and has no text was never sent.
ERASED_TEXT = "[…]"
# Why a message to or about somebody who is erased will not go.
PERSON_ERASED = "person_erased"
NO_ACCESS = "no_access"


class Kind(models.TextChoices):
    """What a message is; each lead and webinar has at most one of each kind."""

    PARTNER_ATTENDANCE = "partner_attendance", _("итог для пригласившего")
    CANDIDATE_FOLLOWUP = "candidate_followup", _("сообщение кандидату")
    CANDIDATE_RECORDING = "candidate_recording", _("запись вебинара")


class MessageState(models.TextChoices):
    """Where a message stands. `uncertain` is one whose outcome stayed unknown twice: a person decides."""

    WAITING_RECORDING = "waiting_recording", _("ждёт записи")
    WAITING_LINK = "waiting_link", _("ждёт привязки Telegram")
    QUEUED = "queued", _("в очереди")
    SENDING = "sending", _("отправляется")
    SENT = "sent", _("отправлено")
    FAILED = "failed", _("не доставлено")
    UNCERTAIN = "uncertain", _("исход неизвестен")
    EXPIRED = "expired", _("срок истёк")


class TelegramChat(models.Model):
    """A person's private chat with the bot. One that is not reachable counts as not linked."""

    person = models.OneToOneField(Person, models.PROTECT)
    chat_id = models.BigIntegerField(unique=True)
    linked_at = models.DateTimeField(default=clock.now)
    reachable = models.BooleanField(default=True)
    unreachable_reason = models.CharField(max_length=30, blank=True)

    def __str__(self) -> str:
        return f"chat of {self.person_id}"


class LinkToken(models.Model):
    """A one-time invitation to link a chat: only the SHA-256 of what the address carries."""

    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"link token of {self.person_id}"


class OutboxMessage(models.Model):
    """One message: `lead` is whom it is about, `person` who receives it.

    `attempts` counts the calls, `failures` those in a row that surely did not reach Telegram, and
    `uncertain_count` those whose outcome stayed unknown. `attempt_id` fences the completion of one call; it
    stays after a crash, so that a late answer still finds the row. `moved` says that the chat had a new id once.

    `place` counts the messages of its kind that the person has from this webinar already: whoever gets many does
    not go before those who get one. `batch` names those that go out as one (see `gathering`).

    Whose doing it was, where not the system's: `caused_by` decided the held verdict, `retried_by` had it sent
    again, `resolved_by` said that it had arrived.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="messages")
    lead = models.ForeignKey(Person, models.PROTECT, related_name="messages_about")
    person = models.ForeignKey(Person, models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    state = models.CharField(max_length=20, choices=MessageState.choices)
    priority = models.PositiveSmallIntegerField()
    place = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    cause_at = models.DateTimeField()
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    uncertain_count = models.PositiveSmallIntegerField(default=0)
    moved = models.BooleanField(default=False)
    attempt_id = models.UUIDField(null=True, db_index=True)
    holder = models.UUIDField(null=True)
    error = models.TextField(blank=True)
    sent_at = models.DateTimeField(null=True)
    chat_id = models.BigIntegerField(null=True)
    message_id = models.BigIntegerField(null=True)
    text = models.TextField(blank=True)
    carried_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="carries")
    batch = models.UUIDField(null=True)
    caused_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    retried_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    resolved_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webinar", "lead", "kind"], name="message_once"),
        ]
        indexes = [
            models.Index(fields=["state", "priority", "place", "id"], name="outbox_claim"),
            models.Index(fields=["person", "state", "cause_at", "priority", "id"], name="outbox_person"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}: {self.state}"


class BotUpdate(models.Model):
    """An update that has taken effect: its number and nothing of what it said."""

    bot_id = models.BigIntegerField()
    update_id = models.BigIntegerField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bot_id", "update_id"], name="update_once")]

    def __str__(self) -> str:
        return str(self.update_id)


class DispatcherState(models.Model):
    """One bot: which process acts for it, until when it must be silent, what is wrong with it.

    `bot_id` is the part of the token before the colon. `fault` is what Telegram said of the token, if it
    rejects it; `next_offset` is the first update that has not taken effect.
    """

    bot_id = models.BigIntegerField(unique=True)
    holder = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    fault = models.TextField(blank=True)
    username = models.CharField(max_length=64, blank=True)
    next_offset = models.BigIntegerField(null=True)
    offset_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(holder=None) | Q(lease_until__isnull=False), name="a_lease_ends"
            )
        ]

    def __str__(self) -> str:
        return f"bot {self.bot_id}"


class Purpose(models.TextChoices):
    """What a notice is for."""

    PASSWORD_RESET = "password_reset", _("ссылка для нового пароля")
    TEST = "test", _("проверочное сообщение")


class ChatNotice(models.Model):
    """Something that a person has asked the bot for; deleted as soon as it is settled.

    It is kept by log-in: who asks for a new password must not learn whether anybody has it, so nothing is looked up
    before the dispatcher does. The secret link is not here: it is made as it is sent. `tries` are the calls that
    perhaps went out; there are two at most. `next_at` is when the next may begin.
    """

    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    login = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    next_at = models.DateTimeField(db_index=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["purpose", "login"], name="notice_once")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.pk}"
