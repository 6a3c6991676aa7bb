"""The form field of a time zone: chosen from a list by typing a city, or written as an IANA name."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from efir.lib import clock
from efir.lib.setting_kinds import time_zone_name
from efir.web.forms import TokenField

# The zones at the top of the list, each by the city that people know it by.
CITIES = {
    "Europe/Kaliningrad": gettext_noop("Калининград"),
    "Europe/Moscow": gettext_noop("Москва"),
    "Europe/Samara": gettext_noop("Самара"),
    "Asia/Yekaterinburg": gettext_noop("Екатеринбург"),
    "Asia/Omsk": gettext_noop("Омск"),
    "Asia/Novosibirsk": gettext_noop("Новосибирск"),
    "Asia/Krasnoyarsk": gettext_noop("Красноярск"),
    "Asia/Irkutsk": gettext_noop("Иркутск"),
    "Asia/Yakutsk": gettext_noop("Якутск"),
    "Asia/Vladivostok": gettext_noop("Владивосток"),
    "Asia/Magadan": gettext_noop("Магадан"),
    "Asia/Kamchatka": gettext_noop("Камчатка"),
    "Europe/Minsk": gettext_noop("Минск"),
    "Europe/Kyiv": gettext_noop("Киев"),
    "Europe/Chisinau": gettext_noop("Кишинёв"),
    "Asia/Almaty": gettext_noop("Алматы"),
    "Asia/Tashkent": gettext_noop("Ташкент"),
    "Asia/Bishkek": gettext_noop("Бишкек"),
    "Asia/Dushanbe": gettext_noop("Душанбе"),
    "Asia/Ashgabat": gettext_noop("Ашхабад"),
    "Asia/Tbilisi": gettext_noop("Тбилиси"),
    "Asia/Yerevan": gettext_noop("Ереван"),
    "Asia/Baku": gettext_noop("Баку"),
    "Asia/Dubai": gettext_noop("Дубай"),
    "Asia/Jerusalem": gettext_noop("Иерусалим"),
    "Europe/Istanbul": gettext_noop("Стамбул"),
    "Europe/Berlin": gettext_noop("Берлин"),
    "Europe/London": gettext_noop("Лондон"),
    "America/New_York": gettext_noop("Нью-Йорк"),
    "Asia/Bangkok": gettext_noop("Бангкок"),
}
# The other names in the database are abbreviations and the database's own files.
_REGIONS = frozenset(
    {
        *("Africa", "America", "Antarctica", "Arctic", "Asia"),
        *("Atlantic", "Australia", "Europe", "Indian", "Pacific"),
    }
)
_LIST_ID = "time-zones"


class TimeZoneInput(forms.TextInput):
    """A text field with its list of suggestions. Browsers filter it by name and by city; it needs no script."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        field = super().render(name, value, attrs, renderer)
        options = _options(get_language() or "", clock.now().date())
        return format_html('{}<datalist id="{}">{}</datalist>', field, _LIST_ID, options)


class TimeZoneField(TokenField):
    """The IANA name of a time zone. A city is taken, too: one of `CITIES`, or the last part of a name.

    Raises ValidationError with code `unknown_zone` for anything else.
    """

    default_error_messages = {
        "unknown_zone": _(
            "Такого часового пояса нет. Напишите город, например Екатеринбург, "
            "или имя пояса, например Asia/Yekaterinburg."
        )
    }

    def __init__(self, **kwargs: Any) -> None:
        # No autocomplete="off": Firefox would not show the list then.
        attrs = {"list": _LIST_ID, "autocapitalize": "none", "spellcheck": "false"}
        kwargs.setdefault("max_length", 64)
        kwargs.setdefault("help_text", _("Начните писать город или имя пояса, например Europe/Moscow."))
        super().__init__(widget=TimeZoneInput(attrs=attrs), **kwargs)

    def clean(self, value: Any) -> Any:
        """Return the name of the zone, or an empty string if nothing is required and nothing was written."""
        typed = super().clean(value)
        if not typed:
            return ""
        try:
            return time_zone_name(_names_by_city().get(typed.casefold(), typed))
        except ValueError:
            raise ValidationError(self.error_messages["unknown_zone"], code="unknown_zone") from None


@lru_cache(maxsize=1)
def _places() -> tuple[str, ...]:
    """Return every zone of a place, in order. Reading the database of zones takes some 50 ms."""
    return tuple(sorted(name for name in available_timezones() if name.split("/")[0] in _REGIONS))


@lru_cache(maxsize=1)
def _names_by_city() -> dict[str, str]:
    """Map city names in lower case to zone names. The zones of `CITIES` take precedence, in both languages."""
    ordered = (*_places(), *CITIES)
    by_city = {place.rsplit("/", 1)[-1].replace("_", " ").casefold(): place for place in ordered}
    by_name = {place.casefold(): place for place in ordered}
    return by_city | by_name | {city.casefold(): zone for zone, city in CITIES.items()}


# Two languages, and today and yesterday, because an offset may change overnight.
@lru_cache(maxsize=4)
def _options(language: str, day: date) -> SafeString:
    """Return the options in one language, with the offsets of a day: the known cities first, then all places."""
    known = [(zone, f"{gettext(city)}, {_offset(zone, day)}") for zone, city in CITIES.items()]
    others = [(place,) for place in _places() if place not in CITIES]
    return format_html_join("", '<option value="{}">{}</option>', known) + format_html_join(
        "", '<option value="{}"></option>', others
    )


def _offset(zone: str, day: date) -> str:
    """Return «UTC+3» or «UTC−3:30»."""
    text = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).strftime("%z")
    sign = "−" if text[0] == "-" else "+"
    minutes = "" if text[3:] == "00" else f":{text[3:]}"
    return f"UTC{sign}{int(text[1:3])}{minutes}"
