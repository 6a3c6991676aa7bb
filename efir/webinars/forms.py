"""The speaker's form. It writes no webinar itself, but it stores a valid poster at once."""

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

from efir.web.forms import (
    CleanedField,
    FloatField,
    IntegerField,
    LineField,
    TextField,
    UrlField,
)
from efir.web.time_zones import TimeZoneField
from efir.webinars.embeds import MAX_LENGTH, allowed_providers, clean_chat_url, clean_player_url, is_hls
from efir.webinars.lifecycle import EDITABLE, TECHNICAL, Status, Video, required_fields
from efir.webinars.models import LONGEST_SLOW_MODE_S, Hold, Talk, Webinar, default_time_zone
from efir.webinars.posters.field import PosterField
from efir.webinars.posters.formats import is_poster_id

LOCAL_FORMAT = "%Y-%m-%dT%H:%M"
NOT_A_RECORDING = _("Это не адрес записи. Вставьте адрес, который начинается с http:// или https://")

GROUPS = (
    ("about", _("Содержание"), ("title", "speaker_name", "description")),
    ("when", _("Когда"), ("starts_at", "time_zone", "length_min")),
    ("where", _("Где идёт"), ("video", "auto_publish", "player_url")),
    ("room-talk", _("Разговор в комнате"), ("talk", "chat_url", "talk_hold", "talk_slow_s", "talk_words")),
    ("looks", _("Как выглядит в расписании"), ("poster", "cta_text")),
)

VIDEO_CHOICES = (
    (Video.OWN, _("Свой эфир")),
    (Video.EMBED, _("Плеер другого сервиса")),
    (Video.HLS, _("Поток HLS по адресу")),
)


def _player_hint() -> str:
    return gettext("Адрес страницы с видео или код <iframe …>: %(players)s.") % {
        "players": allowed_providers()
    }


class FieldWithHiddenCopy(forms.BoundField):
    """A field whose hidden copy has no `aria-describedby`, which HTML does not allow on hidden inputs."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: forms.Widget | None = None) -> dict[str, Any]:
        attrs = super().build_widget_attrs(attrs, widget)
        if widget and widget.is_hidden:
            attrs.pop("aria-describedby", None)
        return attrs


class LocalMomentField(CleanedField):
    """A local time; another field names its time zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_FORMAT)

    def to_python(self, value: Any) -> datetime | None:
        value = super().to_python(value)
        if not value:
            return None
        try:
            local = parse_datetime(str(value))
        except ValueError:
            local = None
        if local is None or local.tzinfo is not None or not 2000 <= local.year <= 2100:
            raise ValidationError(_("Это не время. Напишите дату и время: 2026-11-25 19:00."))
        return local


class PlayerForm(forms.Form):
    """The source of the video. By itself it is used to try a player before anything is saved."""

    video = forms.ChoiceField(
        label=_("Видео"),
        choices=VIDEO_CHOICES,
        help_text=_("Свой эфир идёт со страницы «Студия»: из браузера ведущего прямо в комнату."),
    )
    player_url = UrlField(
        label=_("Плеер"),
        required=False,
        max_length=4000,
        help_text=lazy(_player_hint, str)(),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )

    def clean_player_url(self) -> str:
        try:
            return clean_player_url(self.cleaned_data["player_url"])
        except ValidationError:
            # The page hides the field of an own broadcast, so nobody could correct it there.
            if "video" in self.data and self.cleaned_data["video"] == Video.OWN:
                return ""
            raise

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        url = cleaned.get("player_url")
        chosen = "" if self.fields["video"].disabled else cleaned.get("video")
        if chosen == Video.HLS and url and not is_hls(url):
            self.add_error(
                "player_url",
                _(
                    "Адрес потока HLS заканчивается на .m3u8. Если это страница с видео, выберите «Плеер другого "
                    "сервиса»."
                ),
            )
        return cleaned

    @property
    def player(self) -> tuple[Video, str]:
        """Return what a valid form would play: the address decides between a frame and a playlist."""
        url = self.cleaned_data["player_url"]
        if self.cleaned_data["video"] == Video.OWN:
            return Video.OWN, ""
        return Video.HLS if is_hls(url) else Video.EMBED, url


class WebinarForm(PlayerForm):
    """The business and technical fields of a webinar; a field that the request does not send stays as it is."""

    bound_field_class = FieldWithHiddenCopy
    field_order = tuple(name for _, _, names in GROUPS for name in names)

    title = LineField(label=_("Название"), max_length=200)
    description = TextField(
        label=_("Описание"), required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 4})
    )
    speaker_name = LineField(label=_("Спикер"), required=False, max_length=150)
    starts_at = LocalMomentField(label=_("Начало"), required=False)
    time_zone = TimeZoneField(label=_("Часовой пояс"))
    length_min = IntegerField(label=_("Длительность, мин"), min_value=1, max_value=1440)
    # Two choices, not a checkbox: an unchecked checkbox is not sent, and fields that are not sent stay as they are.
    auto_publish = forms.TypedChoiceField(
        label=_("Запись своего эфира"),
        required=False,
        choices=[("False", _("Публикуется по кнопке")), ("True", _("Публикуется сама, как только готова"))],
        coerce=lambda text: text == "True",
        empty_value="",
        help_text=_(
            "Публикуется сама — значит, без просмотра: её тут же получат в Telegram те, кому участие не засчитано."
        ),
    )
    talk = forms.ChoiceField(label=_("Что есть в комнате"), choices=Talk.choices)
    chat_url = UrlField(
        label=_("Чат с другого сайта"),
        required=False,
        max_length=4000,
        help_text=_("Необязательно. Адрес эфира на YouTube (возьмём его чат) или код <iframe …> чата."),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    talk_hold = forms.ChoiceField(
        label=_("Сначала проверять"),
        choices=Hold.choices,
        help_text=_("Проверяемое сообщение видит только автор, пока ведущий его не покажет."),
    )
    talk_slow_s = IntegerField(
        label=_("Пауза между сообщениями одного человека, секунд"),
        min_value=0,
        max_value=LONGEST_SLOW_MODE_S,
    )
    talk_words = TextField(
        label=_("Скрытые слова"),
        required=False,
        max_length=5000,
        help_text=_("По одному на строке. Сообщение с таким словом ждёт проверки, как бы слово ни написали."),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    poster = PosterField()
    cta_text = LineField(
        label=_("Надпись на кнопке в расписании"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": _("Забронировать место на вебинар")}),
    )
    stream_type = forms.ChoiceField(
        label=_("Вид трансляции"), choices=Webinar._meta.get_field("stream_type").choices or ()
    )
    forgotten_h = FloatField(
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
        speaker_name: str = "",
    ) -> None:
        """Show `speaker_name` in the form of a new webinar."""
        super().__init__(data, files, initial=_initial(webinar, speaker_name))
        self.webinar = webinar
        self._editable = EDITABLE[webinar.state if webinar else Status.DRAFT]
        for name, field in list(self.fields.items()):
            sent = data is not None and not field.widget.value_omitted_from_data(data, files or {}, name)
            if name in TECHNICAL and not technical and not sent:
                del self.fields[name]
            elif not sent and (data is not None or name not in self._editable):
                field.disabled = True
            else:
                # The value that the page showed, see `_is_changed`. The poster's template has its own, and a suggestion
                # is stored even if it was not edited.
                is_suggested = webinar is None and name == "speaker_name"
                field.show_hidden_initial = name != "poster" and not is_suggested

    @property
    def groups(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """Return the groups of business fields as the page shows them: name, title and fields of each."""
        return [(name, str(title), [self[field] for field in fields]) for name, title, fields in GROUPS]

    @property
    def technical(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name in TECHNICAL]

    @property
    def poster_id(self) -> str:
        """Return the poster to show: the one just uploaded, the one kept from an earlier try, or the stored one."""
        if not self.is_bound:
            return self._stored_poster_id
        if "poster" in self.cleaned_data:
            return self.cleaned_data["poster"].pk if self.cleaned_data["poster"] else ""
        kept = str(self.data.get("poster_kept", ""))
        return kept if is_poster_id(kept) else ""

    @property
    def poster_shown(self) -> str:
        """Return the poster that the page showed when it was opened."""
        shown = str(self.data.get("initial-poster", "")) if self.is_bound else ""
        return shown if is_poster_id(shown) else self._stored_poster_id

    @property
    def _stored_poster_id(self) -> str:
        return str((self.webinar and self.webinar.poster_id) or "")

    @property
    def is_open(self) -> bool:
        """Return whether anything can be saved in the webinar's present state."""
        return any(name in self._editable for name in self.fields)

    def clean_auto_publish(self) -> bool:
        return bool(self.cleaned_data["auto_publish"])

    def clean_chat_url(self) -> str:
        return clean_chat_url(self.cleaned_data["chat_url"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        local, zone = cleaned.get("starts_at"), cleaned.get("time_zone")
        if local and zone:
            back = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
            if back.replace(tzinfo=None) != local:
                self.add_error(
                    "starts_at", _("В этом поясе такого времени нет: часы переводят вперёд. Выберите другое.")
                )
        if self._lacks_frame(cleaned):
            self.add_error("chat_url", _("Вставьте адрес чата, который нужно показать в комнате."))
        if self.webinar and self.webinar.state is not Status.DRAFT:
            for name in required_fields(cleaned.get("video", self.webinar.video)):
                if name in cleaned and not cleaned[name]:
                    self.add_error(name, _("Вебинар опубликован: это поле больше нельзя оставить пустым."))
        return cleaned

    def _lacks_frame(self, cleaned: Mapping[str, Any]) -> bool:
        """Return whether a foreign chat was chosen without its address; removing the address alone ends it."""
        chosen = not self.fields["talk"].disabled and self._is_changed("talk")
        return chosen and cleaned.get("talk") == Talk.EMBED and cleaned.get("chat_url") == ""

    def changes(self) -> dict[str, Any]:
        """Return the values to write, the start as a moment; for a valid form only.

        A field that the person did not touch is not written, so that a page opened earlier does not bring back an old
        value. A program sends no shown values: then every field it sends is written.
        """
        changed = {
            name for name, field in self.fields.items() if not field.disabled and self._is_changed(name)
        }
        moment = {"starts_at", "time_zone"}  # the zone says which moment the local time is
        if changed & moment:
            changed |= moment & self.cleaned_data.keys()
        values = {name: self.cleaned_data[name] for name in changed}
        if values.get("starts_at"):
            values["starts_at"] = self._to_moment(
                values["starts_at"], ZoneInfo(self.cleaned_data["time_zone"])
            )
        return values

    def _is_changed(self, name: str) -> bool:
        if name == "poster":
            shown, kept = self.data.get("initial-poster"), self.data.get("poster_kept")
            return bool(shown != kept or self.files.get(name) or self.data.get("poster_removed"))
        shown = self.data.get(self.add_initial_prefix(name))
        return shown is None or shown != self.data.get(self.add_prefix(name), "")

    def _to_moment(self, local: datetime, zone: ZoneInfo) -> datetime:
        stored = self.webinar.starts_at if self.webinar else None
        # The form shows minutes: keep the seconds of the stored start if its minute has not changed.
        if stored and stored.astimezone(zone).strftime(LOCAL_FORMAT) == local.strftime(LOCAL_FORMAT):
            return stored
        return local.replace(tzinfo=zone)


class RecordingForm(forms.Form):
    """The recording's URL."""

    url = UrlField(
        label=_("Адрес записи"),
        max_length=MAX_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
        error_messages={"required": NOT_A_RECORDING, "max_length": NOT_A_RECORDING},
        validators=[URLValidator(schemes=["http", "https"], message=NOT_A_RECORDING)],
    )


def _initial(webinar: Webinar | None, speaker_name: str) -> dict[str, Any]:
    if webinar is None:
        return {
            "speaker_name": speaker_name,
            "time_zone": default_time_zone(),
            "length_min": 60,
            "stream_type": "obs",
            "video": Video.OWN,
            "talk": Talk.CHAT,
            "talk_hold": Hold.OFF,
            "talk_slow_s": 0,
        }
    values = {name: getattr(webinar, name) for name in WebinarForm.base_fields}
    if webinar.starts_at:
        values["starts_at"] = webinar.starts_at.astimezone(webinar.zone).replace(tzinfo=None)
    return values
