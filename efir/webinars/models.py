"""The webinar, the ledger of its changes of status, its seats and its poster."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from efir.accounts.models import Person
from efir.hooks.actions import ActionRefused, Code, Source
from efir.lib import clock
from efir.site_settings import current
from efir.webinars.lifecycle import ON_AIR, Status, Video

# Written by Core alone.
PROTECTED_FIELDS = frozenset({"status", "cta_visible"})


def default_time_zone() -> str:
    return current.default_time_zone()


class ProtectedQuerySet(models.QuerySet["Webinar"]):
    """A queryset that refuses to write the protected fields; the database refuses it, too (see `triggers`)."""

    def update(self, **fields: Any) -> int:
        _refuse_protected(fields)
        return super().update(**fields)

    def bulk_update(
        self, objs: Iterable[Webinar], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        fields = list(fields)
        _refuse_protected(fields)
        return super().bulk_update(objs, fields, batch_size=batch_size)


def _refuse_protected(fields: Iterable[str]) -> None:
    if PROTECTED_FIELDS & set(fields):
        raise ActionRefused(
            Code.MUTATION_FORBIDDEN, "call core_webinar_set_status or core_webinar_set_cta_visibility"
        )


class Poster(models.Model):
    """One poster. Its id is a digest of its files, so that the content of a URL never changes.

    `kept_at` is the time of the last upload: a poster that no webinar uses is deleted a day later.
    """

    id = models.CharField(max_length=32, primary_key=True)
    kept_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.id


class PosterFile(models.Model):
    """One size of a poster; `name` is the last part of its URL."""

    poster = models.ForeignKey(Poster, models.CASCADE, related_name="files")
    name = models.CharField(max_length=20)
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["poster", "name"], name="poster_file_once")]

    def __str__(self) -> str:
        return f"{self.poster_id}/{self.name}"


class Talk(models.TextChoices):
    """What the room offers beside the player."""

    OFF = "off", _("ничего")
    QUESTIONS = "questions", _("вопросы ведущему")
    CHAT = "chat", _("общий чат")
    EMBED = "embed", _("чат с другого сайта")


class Hold(models.TextChoices):
    """Which messages wait until somebody with `moderate_talk` has reviewed them."""

    OFF = "off", _("никакие")
    FIRST = "first", _("первые сообщения каждого")
    ALL = "all", _("все")


# With a longer pause between two messages of a person there would be no conversation.
LONGEST_SLOW_MODE_S = 120


class Webinar(models.Model):
    """One live webinar. `version` and `changed_at` move with every change of the row, and only then."""

    title = models.CharField(_("название"), max_length=200)
    description = models.TextField(_("описание"), blank=True)
    speaker_name = models.CharField(_("спикер"), max_length=150, blank=True)
    starts_at = models.DateTimeField(_("начало"), null=True, blank=True, db_index=True)
    time_zone = models.CharField(_("часовой пояс"), max_length=64, default=default_time_zone)
    length_min = models.PositiveSmallIntegerField(_("длительность, минут"), default=60)
    video = models.CharField(
        _("видео"), max_length=5, choices=Video.choices, default=Video.OWN, db_default="own"
    )
    player_url = models.CharField(_("плеер"), max_length=2000, blank=True)
    chat_url = models.CharField(_("чат"), max_length=2000, blank=True)
    talk = models.CharField(_("разговор в комнате"), max_length=10, choices=Talk.choices, default=Talk.CHAT)
    talk_hold = models.CharField(
        _("сначала проверять"), max_length=10, choices=Hold.choices, default=Hold.OFF
    )
    talk_slow_s = models.PositiveSmallIntegerField(
        _("пауза между сообщениями, секунд"), default=0, validators=[MaxValueValidator(LONGEST_SLOW_MODE_S)]
    )
    talk_words = models.TextField(_("скрытые слова"), blank=True)  # one in a line
    cta_text = models.CharField(_("призыв к действию"), max_length=100, blank=True)
    poster = models.ForeignKey(Poster, models.PROTECT, null=True, blank=True, related_name="+")
    withdrawn = models.BooleanField(_("вебинар не состоится"), default=False)
    stream_type = models.CharField(
        _("вид трансляции"), max_length=10, choices=[("obs", "OBS")], default="obs"
    )
    forgotten_h = models.FloatField(_("останавливать забытый эфир через, часов"), null=True, blank=True)
    auto_publish = models.BooleanField(_("публиковать запись сразу"), default=False)
    recording_url = models.CharField(_("запись"), max_length=2000, blank=True)

    # The parameters of the verdicts, fixed at the start. A webinar that release 0.1 started has none.
    grace_s = models.FloatField(null=True)
    settle_s = models.FloatField(null=True)
    min_watched = models.FloatField(null=True)  # percent of the live time

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT, db_index=True)
    cta_visible = models.BooleanField(default=False)
    version = models.PositiveBigIntegerField(default=1)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    objects: ClassVar[models.Manager[Webinar]] = models.Manager.from_queryset(ProtectedQuerySet)()

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        stored = self.__dict__.get("_stored", {"status": Status.DRAFT, "cta_visible": False})
        _refuse_protected(
            name for name in PROTECTED_FIELDS if stored[name] not in (None, getattr(self, name))
        )
        if self._state.adding and self.chat_url and self.talk == Talk.CHAT:
            self.talk = Talk.EMBED
        super().save(*args, **kwargs)

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Webinar:
        webinar = super().from_db(*args, **kwargs)
        webinar._remember_protected()
        return webinar

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self._remember_protected()

    def _remember_protected(self) -> None:
        self.__dict__["_stored"] = {name: self.__dict__.get(name) for name in PROTECTED_FIELDS}

    @property
    def state(self) -> Status:
        return Status(self.status)

    @property
    def is_on_air(self) -> bool:
        return self.state in ON_AIR

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def ends_at(self) -> datetime | None:
        """The planned end; None while there is no start time."""
        return self.starts_at + timedelta(minutes=self.length_min) if self.starts_at else None


class LedgerEntry(models.Model):
    """One change of status or of the call-to-action's visibility, written before the webinar's row.

    Append-only. The database accepts only a row that agrees with its latest entry.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="ledger")
    from_status = models.CharField(max_length=10, choices=Status.choices)
    to_status = models.CharField(max_length=10, choices=Status.choices)
    cta_visible = models.BooleanField()
    actor = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")
    source = models.CharField(max_length=10, choices=[(source.value, source.value) for source in Source])
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.webinar_id}: {self.from_status} → {self.to_status}"


class Device(models.TextChoices):
    """The device on which a person with a seat plans to watch."""

    PHONE = "phone", _("телефон")
    COMPUTER = "computer", _("компьютер")
    UNKNOWN = "unknown", _("ещё не знаю")


class Seat(models.Model):
    """A booking. `held_by_lead` is written at the stop, so that a later change of role changes nothing.

    remind_since: since when the person wants reminders in Telegram; None if they do not. announced, announcements: the
    start that a person with reminders was last told (see `telegram.reminders`), and how often they were told of a
    change. device: the device on which they plan to watch; empty if they were not asked.
    """

    webinar = models.ForeignKey(Webinar, models.PROTECT, related_name="seats")
    person = models.ForeignKey(Person, models.PROTECT, related_name="seats")
    booked_at = models.DateTimeField(default=clock.now)
    held_by_lead = models.BooleanField(null=True)
    remind_since = models.DateTimeField(null=True)
    announced = models.CharField(max_length=40, blank=True, default="", db_default="")
    announcements = models.PositiveIntegerField(default=0, db_default=0)
    device = models.CharField(max_length=10, choices=Device.choices, blank=True, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webinar", "person"], name="seat_once")]
        indexes = [
            models.Index(
                fields=["webinar", "announced"],
                name="seat_reminders",
                condition=models.Q(remind_since__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.webinar_id}: {self.person_id}"
