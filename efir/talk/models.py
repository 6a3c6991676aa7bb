"""Messages of the rooms, the counters that order them, and the people who are muted."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from efir.accounts.models import Person
from efir.lib import clock
from efir.webinars.models import Webinar

# The interface: characters of one message.
MAX_LENGTH = 500


class Kind(models.TextChoices):
    """What a message is."""

    MESSAGE = "message", _("сообщение")
    QUESTION = "question", _("вопрос")


class State(models.TextChoices):
    """Whether a message is shown, waits to be checked, or is hidden."""

    SHOWN = "shown", _("показано")
    HELD = "held", _("ждёт проверки")
    HIDDEN = "hidden", _("скрыто")


class Badge(models.TextChoices):
    """What the room shows beside an author's name."""

    NONE = "", ""
    PARTNER = "partner", _("партнёр")
    SPEAKER = "speaker", _("спикер")


class TalkRoom(models.Model):
    """The counters of one webinar's talk. Its row is locked by each write, so that commits follow `last_change`.

    `second` and `accepted`: how many messages were accepted in the last second (of the epoch) in which any was.
    """

    webinar = models.OneToOneField(Webinar, models.PROTECT, primary_key=True, related_name="talk_room")
    last_change = models.PositiveBigIntegerField(default=0)
    second = models.PositiveBigIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.webinar_id} at {self.last_change}"


class Message(models.Model):
    """One message or question of a room.

    `number` is the id that people and programs see. It and `change` come from one counter of the webinar: `change` is
    `number` at first, and moves on with every change, so that a reader who knows everything up to N asks for what is
    above N. `shown_at`: when everybody could first see it. `muted`: the author sees it as shown, nobody else does.
    `private`: a question that only its author and those who moderate see.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="talk_messages")
    person = models.ForeignKey(Person, models.PROTECT, related_name="talk_messages")
    number = models.PositiveBigIntegerField()
    change = models.PositiveBigIntegerField()
    client_id = models.UUIDField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    text = models.TextField(blank=True)
    badge = models.CharField(max_length=10, choices=Badge.choices, blank=True)
    state = models.CharField(max_length=10, choices=State.choices)
    muted = models.BooleanField(default=False)
    private = models.BooleanField(default=False)
    pinned = models.BooleanField(default=False)
    at = models.DateTimeField(default=clock.now)
    shown_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    answered_minute = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webinar", "number"], name="talk_number_once"),
            models.UniqueConstraint(fields=["webinar", "person", "client_id"], name="talk_client_id_once"),
            models.UniqueConstraint(
                fields=["webinar"], condition=models.Q(pinned=True), name="talk_one_pinned"
            ),
        ]
        indexes = [
            models.Index(fields=["webinar", "change"], name="talk_by_change"),
            models.Index(fields=["webinar", "person", "at"], name="talk_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.webinar_id}: {self.number}"

    @property
    def is_public(self) -> bool:
        """Whether everybody in the room sees the text."""
        return self.state == State.SHOWN and not (self.muted or self.private)


class Mute(models.Model):
    """A person whose messages in this webinar nobody else sees. They are not notified."""

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="talk_mutes")
    person = models.ForeignKey(Person, models.PROTECT, related_name="talk_mutes")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webinar", "person"], name="talk_mute_once")]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.webinar_id}"
