"""Chats, the outbox, notices, and the state of the bot. No secret is stored here."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from efir.accounts.models import Person
from efir.lib import clock
from efir.webinars.models import Webinar

# The error of a message that a restored backup marked `uncertain`.
HELD_BY_RESTORE = "held by a restore: it may have gone out after the backup was made"
# Replaces a text that named an erased person. It is not empty: an empty text means that nothing was sent.
ERASED_TEXT = "[…]"


class Kind(models.TextChoices):
    """The kinds of messages. Each lead and webinar has at most one message of a kind and occasion."""

    PARTNER_ATTENDANCE = "partner_attendance", _("итог для пригласившего")
    CANDIDATE_FOLLOWUP = "candidate_followup", _("сообщение кандидату")
    CANDIDATE_RECORDING = "candidate_recording", _("запись вебинара")
    SEAT_REMINDER = "seat_reminder", _("напоминание о вебинаре")
    SEAT_ON_AIR = "seat_on_air", _("вебинар начался")
    SEAT_MOVED = "seat_moved", _("перенос вебинара")


class MessageState(models.TextChoices):
    """The states of a message. `uncertain`: its outcome was unknown twice, so a person has to decide."""

    WAITING_RECORDING = "waiting_recording", _("ждёт записи")
    WAITING_LINK = "waiting_link", _("ждёт привязки Telegram")
    QUEUED = "queued", _("в очереди")
    SENDING = "sending", _("отправляется")
    SENT = "sent", _("отправлено")
    FAILED = "failed", _("не доставлено")
    UNCERTAIN = "uncertain", _("исход неизвестен")
    EXPIRED = "expired", _("срок истёк")


class Ineligible(models.TextChoices):
    """The reasons for which a message expired because its recipient may not or does not want to receive it."""

    PERSON_ERASED = "person_erased", _("аккаунт удалён")
    REPLACED = "replaced", _("заменено новым сообщением")
    NOT_WANTED = "not_wanted", _("напоминания выключены")
    NO_ACCESS = "no_access", _("у получателя больше нет доступа")


class UnreachableReason(models.TextChoices):
    """The reasons for which the bot cannot write to a chat."""

    BLOCKED = "blocked", _("бот заблокирован в Telegram")
    DEACTIVATED = "deactivated", _("аккаунт Telegram удалён")
    KICKED = "kicked", _("бота исключили из чата")
    NOT_MEMBER = "not_member", _("бота нет в чате")
    NEVER_STARTED = "never_started", _("разговор с ботом не начат")
    NOT_FOUND = "not_found", _("чат не найден")
    FORBIDDEN = "forbidden", _("Telegram не разрешает писать в этот чат")


class TelegramChat(models.Model):
    """A person's private chat with the bot. Messages wait if it is not reachable, as if there were none.

    `unreachable_reason` is an `UnreachableReason`, or empty. `reset_from`: no password link goes to the chat before,
    because the person had another chat; None if links may go at once.
    """

    person = models.OneToOneField(Person, models.PROTECT)
    chat_id = models.BigIntegerField(unique=True)
    linked_at = models.DateTimeField(default=clock.now)
    reachable = models.BooleanField(default=True)
    unreachable_reason = models.CharField(max_length=30, blank=True)
    reset_from = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"chat of {self.person_id}"

    @property
    def unreachable_label(self) -> str:
        """Return why the bot cannot write to the chat; empty if it can."""
        reason = self.unreachable_reason
        return str(UnreachableReason(reason).label) if reason in UnreachableReason else ""


class LinkToken(models.Model):
    """A one-time link that links a chat to a person. Only the SHA-256 of its token is stored.

    asked_chat_id: the chat that belongs to somebody else and was asked whether to move; None if nobody was asked.
    session_hash: the SHA-256 of the key of the session that asked for it; the link ends with that session. Empty for
        links made before 0.2, which do not work any more.
    """

    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    session_hash = models.CharField(max_length=64, default="", db_default="")
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)
    asked_chat_id = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"link token of {self.person_id}"


class OutboxMessage(models.Model):
    """One message of the outbox.

    lead, person: whom the message is about, and who receives it.
    occasion: tells messages of one kind apart, such as the reminders of each announced time; empty for most kinds.
    deadline: the message is of no use from then on; None if it never goes stale.
    cause_at: when the event happened that caused it; a person gets messages in this order.
    place: the number of messages of its kind that the person has from this webinar already, so that a person with
        many does not go before those with one.
    attempts, failures, uncertain_count: all calls; those in a row that surely did not reach Telegram; those whose
        outcome is unknown.
    attempt_id: fences the completion of one call. It stays after a crash, so that a late answer finds the row.
    moved: the chat had a new id once already.
    carried_by: the message in whose call this one went along.
    batch: shared by the messages that go out as one (see `outbox.batching`). `rank`: within it the lowest is first.
    caused_by, retried_by, resolved_by: who decided the held verdict, sent the message again, or said that it
        arrived; None if the system did.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="messages")
    lead = models.ForeignKey(Person, models.PROTECT, related_name="messages_about")
    person = models.ForeignKey(Person, models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=30, choices=Kind.choices)
    occasion = models.CharField(max_length=60, blank=True, default="", db_default="")
    deadline = models.DateTimeField(null=True)
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
    rank = models.FloatField(default=0.0, db_default=0.0)
    caused_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    retried_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    resolved_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webinar", "lead", "kind", "occasion"], name="message_once"),
        ]
        indexes = [
            # With the person, so that the rows of one who has thousands are passed over without reading them.
            models.Index(fields=["state", "priority", "place", "id", "person"], name="outbox_claim"),
            models.Index(fields=["person", "state", "cause_at", "priority", "id"], name="outbox_person"),
            models.Index(
                fields=["batch", "state", "rank", "id"],
                name="outbox_batch",
                condition=Q(batch__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}: {self.state}"


class MessageBatch(models.Model):
    """What every message of a batch says about the whole of it, counted once: `summary` is its message type's own.

    The batches of earlier releases have no row.
    """

    id = models.UUIDField(primary_key=True)
    summary = models.JSONField()

    def __str__(self) -> str:
        return str(self.id)


class BotUpdate(models.Model):
    """The number of an update that has been processed, and nothing of its content."""

    bot_id = models.BigIntegerField()
    update_id = models.BigIntegerField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bot_id", "update_id"], name="update_once")]

    def __str__(self) -> str:
        return str(self.update_id)


class DispatcherState(models.Model):
    """The state of one bot, shared by all processes.

    bot_id: the part of the token before the colon.
    holder, lease_until, heartbeat_at: the lease of the process that acts for the bot, and its last renewal.
    paused_until: no message is sent before, because Telegram asked for it.
    fault, is_rejected: why nothing can be sent, empty if something can: what Telegram says if it rejects the token,
        else why it cannot be reached.
    clock_back_until: until then times that lie ahead may have been written by the clock before it was set back.
    next_offset, offset_at: the first update that is not processed yet, and when that was written.
    """

    bot_id = models.BigIntegerField(unique=True)
    holder = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    fault = models.TextField(blank=True)
    # A process of the previous release does not set this, and writes a fault only if the token is rejected.
    is_rejected = models.BooleanField(default=True, db_default=True)
    clock_back_until = models.DateTimeField(null=True)
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
    """What a notice is about."""

    PASSWORD_RESET = "password_reset", _("ссылка для нового пароля")
    TEST = "test", _("проверочное сообщение")
    PASSWORD_CHANGED = "password_changed", _("пароль изменён")
    PASSWORD_LINK_MADE = "password_link_made", _("ссылка для пароля")
    SECOND_FACTOR_ON = "second_factor_on", _("вход в два шага включён")
    SECOND_FACTOR_OFF = "second_factor_off", _("вход в два шага выключен")
    SECOND_FACTOR_RESET = "second_factor_reset", _("вход в два шага сброшен")
    RECOVERY_CODE_USED = "recovery_code_used", _("использован код восстановления")
    CODES_GUESSED = "codes_guessed", _("кто-то подбирает коды")
    CHAT_MOVED = "chat_moved", _("Telegram перенесён в другой чат")
    CHAT_UNLINKED = "chat_unlinked", _("Telegram отвязан")


class ChatNotice(models.Model):
    """Something that a person asked the bot for or has to know. The row is deleted once it is sent or given up.

    It is stored by login and looked up by the dispatcher, so that a page that asks for a new password cannot tell
    whether the login exists. A secret link is not stored: it is made when the notice is sent.

    chat_id: the chat that it goes to if that is no longer the person's; None for the person's chat.
    tries: the calls that may have arrived; two at most.
    next_at: when the next call may begin.
    """

    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    login = models.CharField(max_length=254)
    chat_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    next_at = models.DateTimeField(db_index=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["purpose", "login"], condition=Q(chat_id=None), name="notice_once"
            ),
            models.UniqueConstraint(fields=["purpose", "login", "chat_id"], name="old_chat_notice_once"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.pk}"
