"""The speaker's form. It carries values to Core and writes no webinar itself; a good poster it stores at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import URLValidator
from django.utils.datastructures import MultiValueDict
from django.utils.dateparse import parse_datetime
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from efir.config import time_zone_name
from efir.webinars.embeds import MAX_LENGTH, allowed_providers, clean_chat_url, clean_player_url
from efir.webinars.lifecycle import EDITABLE, REQUIRED, TECHNICAL, Status
from efir.webinars.models import Webinar, default_time_zone
from efir.webinars.posters.field import PosterField
from efir.webinars.posters.formats import is_poster_id

LOCAL_FORMAT = "%Y-%m-%dT%H:%M"
NOT_A_RECORDING = _("Это не адрес записи. Вставьте адрес, который начинается с http:// или https://")

GROUPS = (
    ("about", _("Содержание"), ("title", "speaker_name", "description")),
    ("when", _("Когда"), ("starts_at", "time_zone", "length_min")),
    ("where", _("Где идёт"), ("player_url", "chat_url")),
    ("looks", _("Как выглядит в расписании"), ("poster", "cta_text")),
)


def _player_hint() -> str:
    return gettext("Адрес страницы с видео или код <iframe …>: %(players)s.") % {
        "players": allowed_providers()
    }


class LocalMomentField(forms.Field):
    """A wall-clock time; which zone's clock, another field says."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_FORMAT)

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            local = parse_datetime(str(value))
        except ValueError:
            local = None
        if local is None or local.tzinfo is not None or not 2000 <= local.year <= 2100:
            raise ValidationError(_("Это не время. Напишите дату и время: 2026-11-25T19:00."))
        return local


class WebinarForm(forms.Form):
    """Business and technical fields. Only fields that the request names are read; the others stay as they are."""

    title = forms.CharField(label=_("Название"), max_length=200)
    description = forms.CharField(
        label=_("Описание"), required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 4})
    )
    speaker_name = forms.CharField(label=_("Спикер"), required=False, max_length=150)
    starts_at = LocalMomentField(label=_("Начало"), required=False)
    time_zone = forms.CharField(
        label=_("Часовой пояс"),
        max_length=64,
        help_text=_("Имя пояса, например Europe/Moscow."),
        widget=forms.TextInput(attrs={"list": "time-zones", "autocapitalize": "none", "spellcheck": "false"}),
    )
    length_min = forms.IntegerField(label=_("Длительность, мин"), min_value=1, max_value=1440)
    player_url = forms.CharField(
        label=_("Плеер"),
        required=False,
        max_length=4000,
        help_text=lazy(_player_hint, str)(),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    chat_url = forms.CharField(
        label=_("Чат"),
        required=False,
        max_length=4000,
        help_text=_("Необязательно. Адрес эфира на YouTube (возьмём его чат) или код <iframe …> чата."),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    poster = PosterField()
    cta_text = forms.CharField(
        label=_("Надпись на кнопке в расписании"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": _("Забронировать место на вебинар")}),
    )
    stream_type = forms.ChoiceField(
        label=_("Вид трансляции"), choices=Webinar._meta.get_field("stream_type").choices or ()
    )
    forgotten_h = forms.FloatField(
        label=_("Останавливать забытый эфир через, часов"),
        required=False,
        min_value=0.01,
        max_value=72,
        help_text=_("Пусто — как задано для всей установки."),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        files: MultiValueDict[str, UploadedFile[Any]] | None,
        webinar: Webinar | None,
        *,
        technical: bool,
    ) -> None:
        super().__init__(data, files, initial=_initial(webinar))
        self.webinar = webinar
        editable = EDITABLE[webinar.state if webinar else Status.DRAFT]
        for name, field in list(self.fields.items()):
            sent = data is not None and not field.widget.value_omitted_from_data(data, files or {}, name)
            if name in TECHNICAL and not technical and not sent:
                del self.fields[name]
            elif not sent and (data is not None or name not in editable):
                # Shown as it is, and not asked for.
                field.disabled = True
            else:
                # What the page showed: see `_touched`. A poster's is in its own template.
                field.show_hidden_initial = name != "poster"
        self._editable = editable

    @property
    def groups(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """The business fields as the page shows them: each group's name, its title and its fields."""
        return [(name, str(title), [self[field] for field in fields]) for name, title, fields in GROUPS]

    @property
    def technical(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name in TECHNICAL]

    @property
    def poster_id(self) -> str:
        """The poster to show: the one just uploaded, the one that was kept, the one that is there; or nothing."""
        if not self.is_bound:
            return str((self.webinar and self.webinar.poster_id) or "")
        if "poster" in self.cleaned_data:
            return self.cleaned_data["poster"].pk if self.cleaned_data["poster"] else ""
        kept = str(self.data.get("poster_kept", ""))
        return kept if is_poster_id(kept) else ""

    @property
    def is_open(self) -> bool:
        """Whether there is anything to save in this state."""
        return any(name in self._editable for name in self.fields)

    def clean_time_zone(self) -> str:
        try:
            return time_zone_name(self.cleaned_data["time_zone"])
        except ValueError:
            raise ValidationError(
                _("Такого часового пояса нет. Например: Europe/Moscow, Asia/Yekaterinburg.")
            ) from None

    def clean_player_url(self) -> str:
        return clean_player_url(self.cleaned_data["player_url"])

    def clean_chat_url(self) -> str:
        return clean_chat_url(self.cleaned_data["chat_url"])

    def changes(self) -> dict[str, Any]:
        """What the request asks to write; times as instants. Only for a valid form."""
        values = {name: self.cleaned_data[name] for name in self._touched()}
        if "starts_at" in values:
            values["starts_at"] = self._instant(values["starts_at"], ZoneInfo(self.cleaned_data["time_zone"]))
        return values

    def _touched(self) -> set[str]:
        """What the person changed on the page: one that was opened earlier brings nothing back that it only showed.

        A request without what was shown (a program's) means all that it sends.
        """
        touched = {name for name, field in self.fields.items() if not field.disabled and self._differs(name)}
        moment = {"starts_at", "time_zone"}  # one says by whose clock the other is
        return touched | (moment & set(self.cleaned_data)) if touched & moment else touched

    def _differs(self, name: str) -> bool:
        if name == "poster":
            shown, kept = self.data.get("initial-poster"), self.data.get("poster_kept")
            return bool(shown != kept or self.files.get(name) or self.data.get("poster_removed"))
        shown = self.data.get(self.add_initial_prefix(name))
        return shown is None or shown != self.data.get(self.add_prefix(name), "")

    @property
    def poster_shown(self) -> str:
        """The poster that the page showed when it was opened."""
        shown = self.data.get("initial-poster", "") if self.is_bound else ""
        return (
            str(shown) if is_poster_id(str(shown)) else str((self.webinar and self.webinar.poster_id) or "")
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        local, zone = cleaned.get("starts_at"), cleaned.get("time_zone")
        if local and zone:
            back = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
            if back.replace(tzinfo=None) != local:
                self.add_error("starts_at", _("В этом поясе такого времени нет: часы переводят вперёд."))
        for name in self._emptied(cleaned):
            self.add_error(name, _("Вебинар опубликован: это поле больше нельзя оставить пустым."))
        return cleaned

    def _emptied(self, cleaned: dict[str, Any]) -> list[str]:
        """What a published webinar must have, and would have no more."""
        if self.webinar is None or self.webinar.state is Status.DRAFT:
            return []
        return [name for name in REQUIRED if name in cleaned and not cleaned[name]]

    def _instant(self, local: datetime | None, zone: ZoneInfo) -> datetime | None:
        if local is None:
            return None
        kept = self.webinar.starts_at if self.webinar else None
        # The form shows minutes: a start at some second stays as it is while nobody changes the minute.
        if kept and kept.astimezone(zone).strftime(LOCAL_FORMAT) == local.strftime(LOCAL_FORMAT):
            return kept
        return local.replace(tzinfo=zone)


class RecordingForm(forms.Form):
    """The recording's address."""

    url = forms.CharField(
        label=_("Адрес записи"),
        max_length=MAX_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
        error_messages={"required": NOT_A_RECORDING, "max_length": NOT_A_RECORDING},
        validators=[URLValidator(schemes=["http", "https"], message=NOT_A_RECORDING)],
    )


def _initial(webinar: Webinar | None) -> dict[str, Any]:
    if webinar is None:
        return {"time_zone": default_time_zone(), "length_min": 60, "stream_type": "obs"}
    values = {name: getattr(webinar, name) for name in WebinarForm.base_fields}
    if webinar.starts_at:
        values["starts_at"] = webinar.starts_at.astimezone(webinar.zone).replace(tzinfo=None)
    return values
