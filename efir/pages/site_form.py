"""The form of the site's settings."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from efir.accounts.forms import PhoneField, TelegramNameField
from efir.accounts.validators import holds_address
from efir.site_settings import colour, files
from efir.site_settings.models import SiteSettings
from efir.web.forms import EmailField, LineField, TokenField, UrlField
from efir.web.time_zones import TimeZoneField
from efir.webinars.posters.decode import FORMATS, read_upload
from efir.webinars.posters.render import render_upload

GROUPS = (
    (
        "looks",
        _("Название и вид"),
        _("Стоят в шапке, во вкладке браузера, в календарях, в сообщениях бота и там, где делятся ссылкой."),
        ("name", "logo", "logo_removed", "accent"),
    ),
    (
        "responsible",
        _("Кто отвечает за данные"),
        _(
            "Стоит в тексте согласия и внизу страниц. Если изменить, при следующем входе сайт попросит согласие у всех "
            "заново."
        ),
        ("organisation", "organisation_address", "data_contact"),
    ),
    (
        "contact",
        _("Для тех, кого никто не приглашал"),
        _("Сюда приведут кнопка в комнате и сообщения бота, если у зрителя нет пригласившего."),
        ("contact_name", "telegram_name", "phone", "email", "offer_text", "offer_url"),
    ),
    (
        "defaults",
        _("По умолчанию"),
        _("Пояс — для новых вебинаров, язык — для тех, кто его не выбирал и чей браузер не просит другого."),
        ("time_zone", "language"),
    ),
)


class SiteForm(forms.Form):
    """Everything that an admin sets. An empty field means the default."""

    name = LineField(
        label=_("Название сайта"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"placeholder": _("Эфир")}),
    )
    logo = forms.FileField(
        label=_("Логотип"),
        required=False,
        help_text=_("JPEG, PNG или WebP до 10 МБ, от 64 точек в высоту. Лучше PNG с прозрачным фоном."),
        widget=forms.FileInput(attrs={"accept": ",".join(f"image/{kind.lower()}" for kind in FORMATS)}),
    )
    logo_removed = forms.BooleanField(label=_("Убрать логотип"), required=False)
    accent = TokenField(
        label=_("Основной цвет"),
        required=False,
        max_length=7,
        help_text=_(
            "Шесть знаков, как #4a3fd6. Пусто — цвет Эфира. Если текст такого цвета трудно читать, мы его поправим."
        ),
        widget=forms.TextInput(
            attrs={"placeholder": "#4a3fd6", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    organisation = LineField(
        label=_("Организация или человек"),
        required=False,
        max_length=200,
        help_text=_("Например, ИП Петрова А. Н."),
    )
    organisation_address = LineField(label=_("Адрес"), required=False, max_length=300)
    data_contact = LineField(
        label=_("Контакт по персональным данным"),
        required=False,
        max_length=254,
        help_text=_("E-mail или телефон, по которому ответят на вопросы о данных."),
    )
    contact_name = LineField(label=_("Кто отвечает"), required=False, max_length=150)
    telegram_name = TelegramNameField(
        label=_("Имя в Telegram"), required=False, widget=forms.TextInput(attrs={"placeholder": "@anna"})
    )
    phone = PhoneField(label=_("Телефон"), required=False, widget=forms.TextInput(attrs={"type": "tel"}))
    email = EmailField(label=_("E-mail"), required=False)
    offer_text = LineField(
        label=_("Надпись на кнопке предложения"),
        required=False,
        max_length=100,
        help_text=_("Необязательно. Например, «Узнать о программе»."),
    )
    offer_url = UrlField(label=_("Адрес предложения"), required=False, max_length=2000)
    time_zone = TimeZoneField(label=_("Часовой пояс новых вебинаров"), required=False)
    language = forms.ChoiceField(
        label=_("Язык"), required=False, choices=[("ru", _("русский")), ("en", "English")]
    )

    _WITHOUT_COLUMN: ClassVar = frozenset({"logo", "logo_removed"})

    def __init__(self, data: Any, uploads: Any, *, site: SiteSettings) -> None:
        columns = self.base_fields.keys() - self._WITHOUT_COLUMN
        initial = {name: getattr(site, name) for name in columns}
        initial["language"] = site.language or settings.LANGUAGE_CODE
        super().__init__(data, uploads, initial=initial)
        self.fields["time_zone"].widget.attrs["placeholder"] = settings.TIME_ZONE
        self._site = site
        self._logo = site.logo

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if holds_address(name):
            raise ValidationError(
                _("В названии не может быть адреса сайта: мессенджер сделает из него ссылку.")
            )
        return name

    def clean_logo(self) -> None:
        """Store a valid logo at once; `changes` then names it."""
        file: UploadedFile[bytes] | None = self.cleaned_data["logo"]
        if file is None:
            return
        rendered = render_upload(read_upload(file), kind="logo")
        files.store(rendered.digest, rendered.files)
        self._logo = rendered.digest

    def clean_accent(self) -> str:
        accent: str = self.cleaned_data["accent"]
        try:
            return colour.parse(accent) if accent else ""
        except ValueError:
            raise ValidationError(_("Это не цвет. Напишите шесть знаков, как #4a3fd6.")) from None

    def clean_language(self) -> str:
        """Return an empty string for the default, so that saving the page unchanged changes nothing."""
        language: str = self.cleaned_data["language"]
        return "" if language == settings.LANGUAGE_CODE else language

    def clean_offer_url(self) -> str:
        address: str = self.cleaned_data["offer_url"]
        if address:
            URLValidator(
                ["http", "https"], message=_("Нужен адрес, который начинается с http:// или https://")
            )(address)
        return address

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("offer_text") and not (cleaned.get("offer_url") or "offer_url" in self.errors):
            self.add_error("offer_url", _("Напишите, куда ведёт кнопка."))
        if cleaned.get("offer_url") and not cleaned.get("offer_text"):
            self.add_error("offer_text", _("Напишите, что будет на кнопке."))
        return cleaned

    def changes(self) -> dict[str, str]:
        """Return the values of a valid form by the names of the model's fields."""
        values = {
            name: value for name, value in self.cleaned_data.items() if name not in self._WITHOUT_COLUMN
        }
        removed = self.cleaned_data.get("logo_removed") and self._logo == self._site.logo
        return {**values, "logo": "" if removed else self._logo}
